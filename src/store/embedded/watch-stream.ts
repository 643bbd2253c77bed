import { GrpcError, type ServerStream, STATUS, type StreamHandler } from '../grpc/index.ts';
import { EncodedWatchResponse, type WatchCreateRequest, WatchRequest } from '../proto/index.ts';
import type { Commit } from './commit-queue.ts';
import { parse } from './parse.ts';
import type { CommitListener, WatchHub } from './watch-hub.ts';
import { Watcher } from './watcher.ts';

// With more unsent bytes than this, a stream's watches wait and later read from the log what they missed.
const BACKLOG_BYTES = 1 << 20;
const FRAGMENT_BYTES = 1 << 20;
const ALL_WATCHES = -1;
/** etcd has no limit and is built for about a hundred; every commit is compared with each watch. */
const MAX_WATCHES = 1000;
const MAX_PROGRESS_REQUESTS = 1000;

/** The watches of one gRPC stream. */
export class WatchStream implements StreamHandler, CommitListener {
  readonly #hub: WatchHub;
  readonly #stream: ServerStream;
  readonly #watchers = new Map<number, Watcher>();
  /** Watches that read from the log; the longest unfed one comes first. */
  readonly #behind = new Set<Watcher>();
  #nextId = 0;
  #catchingUp = false;
  #closed = false;
  /** Revisions that pending progress requests wait for. */
  #progressWanted: number[] = [];

  constructor(hub: WatchHub, stream: ServerStream) {
    this.#hub = hub;
    this.#stream = stream;
    hub.add(this);
  }

  message(message: Buffer): void {
    const { create, cancel, progress } = parse(WatchRequest, message);
    if (create) this.#create(create);
    else if (cancel) this.#cancel(cancel.watchId);
    else if (progress) this.#wantProgress();
    else throw new GrpcError(STATUS.invalidArgument, 'the watch request asks for nothing');
  }

  finished(): void {
    this.closed();
    this.#stream.end();
  }

  closed(): void {
    this.#closed = true;
    this.#hub.remove(this);
  }

  /** Passes on the events that the watches want; watches for which `hasTime` is false read them from the log later. */
  publish(commits: readonly Commit[], hasTime: () => boolean): void {
    const { published } = this.#hub;
    for (const watcher of this.#watchers.values()) {
      if (this.#behind.has(watcher)) continue;
      if (this.#stream.backlogBytes > BACKLOG_BYTES || !hasTime()) {
        this.#behind.add(watcher);
        continue;
      }
      this.#sendEvents(watcher, watcher.select(commits));
      watcher.next = Math.max(watcher.next, published + 1);
    }
    this.#catchUp();
  }

  /** Tells the watches that asked for it, and were not told lately, how far they have got. */
  notifyProgress(): void {
    const { published } = this.#hub;
    for (const watcher of this.#watchers.values()) {
      if (!watcher.progressNotify || this.#behind.has(watcher) || watcher.told >= published) continue;
      if (watcher.next > published + 1) continue;
      watcher.told = published;
      this.#send({ watchId: watcher.id });
    }
  }

  #create(request: WatchCreateRequest): void {
    const id = request.watchId === 0 ? this.#freeId() : request.watchId;
    const { published } = this.#hub;
    if (this.#watchers.has(id)) {
      const cancelReason = 'etcdserver: mvcc: duplicate watch ID provided on the WatchStream';
      this.#send({ watchId: ALL_WATCHES, created: true, canceled: true, cancelReason });
      return;
    }
    if (this.#watchers.size >= MAX_WATCHES) {
      const cancelReason = `the stream has ${MAX_WATCHES} watches, no more fit: cancel some, or open another stream`;
      this.#send({ watchId: id, created: true, canceled: true, cancelReason });
      return;
    }
    const watcher = new Watcher(id, request, request.startRevision > 0 ? request.startRevision : published + 1);
    this.#watchers.set(id, watcher);
    if (watcher.next <= published) this.#behind.add(watcher);
    this.#send({ watchId: id, created: true });
    this.#catchUp();
  }

  #freeId(): number {
    while (this.#watchers.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  #cancel(id: number): void {
    const watcher = this.#watchers.get(id);
    if (watcher) {
      this.#drop(watcher);
      this.#send({ watchId: id, canceled: true });
    }
    this.#answerProgress();
  }

  #drop(watcher: Watcher): void {
    this.#watchers.delete(watcher.id);
    this.#behind.delete(watcher);
  }

  #wantProgress(): void {
    // A client may have read a revision that is durable but not published yet: the response must not be below it.
    if (this.#progressWanted.length === MAX_PROGRESS_REQUESTS) this.#progressWanted.pop();
    this.#progressWanted.push(this.#hub.options.keyspace.revision());
    this.#answerProgress();
  }

  #answerProgress(): void {
    if (this.#progressWanted.length === 0 || this.#behind.size > 0) return;
    const { published } = this.#hub;
    const due = this.#progressWanted.filter((revision) => revision <= published).length;
    this.#progressWanted = this.#progressWanted.slice(due);
    for (let count = 0; count < due; count++) this.#send({ watchId: ALL_WATCHES });
  }

  /** Feeds the watches that are behind, a portion at a time, as fast as the client reads. */
  #catchUp(): void {
    if (this.#catchingUp || this.#closed) return;
    if (this.#behind.size === 0) {
      this.#answerProgress();
      return;
    }
    this.#catchingUp = true;
    if (this.#stream.backlogBytes > BACKLOG_BYTES) this.#stream.whenDrained(() => this.#feedNext());
    else this.#hub.queueFeeding(() => this.#feedNext());
  }

  #feedNext(): void {
    this.#catchingUp = false;
    const [watcher] = this.#behind;
    if (this.#closed) return;
    if (watcher && this.#stream.backlogBytes <= BACKLOG_BYTES) this.#feed(watcher);
    this.#catchUp();
  }

  #feed(watcher: Watcher): void {
    const { published, options } = this.#hub;
    const compactRevision = options.keyspace.compactedRevision();
    if (watcher.next < compactRevision) {
      this.#drop(watcher);
      const cancelReason = 'etcdserver: mvcc: required revision has been compacted';
      this.#send({ watchId: watcher.id, canceled: true, compactRevision, cancelReason });
      return;
    }
    this.#sendEvents(watcher, watcher.catchUp(options.keyspace, published));
    this.#behind.delete(watcher);
    if (watcher.next <= published) this.#behind.add(watcher);
  }

  #sendEvents(watcher: Watcher, events: readonly Buffer[]): void {
    if (events.length === 0) return;
    watcher.told = this.#hub.published;
    const parts = watcher.fragment ? fragments(events) : [events];
    parts.forEach((part, at) => {
      this.#send({ watchId: watcher.id, events: part, fragment: at < parts.length - 1 });
    });
  }

  #send(response: Parameters<typeof EncodedWatchResponse.encode>[0]): void {
    const header = this.#hub.options.header(this.#hub.published);
    this.#stream.send(EncodedWatchResponse.encode({ header, ...response }));
  }
}

function fragments(events: readonly Buffer[]): Buffer[][] {
  const parts: Buffer[][] = [[]];
  let bytes = 0;
  for (const event of events) {
    if (bytes > 0 && bytes + event.length > FRAGMENT_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)!.push(event);
    bytes += event.length;
  }
  return parts;
}
