import { FlotillaError } from '../lib/index.ts';
import type { EtcdClient } from './etcd-client.ts';
import { flotillaError } from './etcd-errors.ts';
import type { ChannelStream } from './grpc/index.ts';
import { type Event, METHODS, WatchRequest, WatchResponse } from './proto/index.ts';

export interface WatchSessionHandlers {
  /** The server has created the watch. */
  created(): void;
  /** Events of one or more whole revisions. */
  events(events: readonly Event[]): void;
  /** All events up to this revision have been delivered. */
  progress(revision: number): void;
}

export interface WatchSessionOptions {
  readonly client: EtcdClient;
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly startRevision: number;
  readonly handlers: WatchSessionHandlers;
}

const CREATE_TIMEOUT_MS = 5000;

/** One watch on one gRPC stream, until the stream ends. */
export class WatchSession {
  readonly #options: WatchSessionOptions;
  #stream: ChannelStream | undefined;
  #partial: Event[] = [];
  #stopTimer: () => void = () => {};
  #finish: (error: unknown) => void = () => {};
  #created = false;
  #stopped = false;

  constructor(options: WatchSessionOptions) {
    this.#options = options;
  }

  get created(): boolean {
    return this.#created;
  }

  /**
   * Resolves with the reason when the stream has ended; `compacted` when its start is gone. Rejects when it cannot be
   * opened.
   */
  async run(): Promise<unknown> {
    const { client, handlers: _, ...create } = this.#options;
    const ended = new Promise<unknown>((resolve) => {
      this.#finish = resolve;
    });
    this.#stream = await client.stream(METHODS.watch, {
      message: (message) => this.#receive(message),
      ended: (error) => this.#end(flotillaError(error) ?? streamEnded()),
    });
    if (this.#stopped) this.stop();
    else this.#request(create);
    return ended;
  }

  requestProgress(): void {
    this.#stream?.send(WatchRequest.encode({ progress: {} }));
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  stop(): void {
    this.#stopped = true;
    this.#stream?.cancel();
    this.#end(streamEnded());
  }

  #request(create: Omit<WatchSessionOptions, 'client' | 'handlers'>): void {
    const request = { ...create, prevKv: true, progressNotify: true, fragment: true };
    this.#stream!.send(WatchRequest.encode({ create: request }));
    this.#stopTimer = this.#options.client.clock.after(CREATE_TIMEOUT_MS, () => this.#stream?.destroyConnection());
  }

  #end(reason: unknown): void {
    this.#stopTimer();
    this.#finish(reason);
  }

  #receive(message: Buffer): void {
    const { handlers } = this.#options;
    const { header, created, canceled, compactRevision, cancelReason, events, fragment } =
      WatchResponse.decode(message);
    if (canceled) this.#canceled(compactRevision, cancelReason);
    else if (created) {
      this.#stopTimer();
      this.#created = true;
      handlers.created();
    } else if (events.length > 0) this.#collect(events, fragment);
    else handlers.progress(header?.revision ?? 0);
  }

  #collect(events: readonly Event[], more: boolean): void {
    this.#partial = this.#partial.concat(events);
    if (more) return;
    const whole = this.#partial;
    this.#partial = [];
    this.#options.handlers.events(whole);
  }

  #canceled(compactRevision: number, cancelReason: string): void {
    this.#stream?.leave();
    this.#stream?.cancel();
    const isCompacted = compactRevision > 0 || /compacted/.test(cancelReason);
    this.#end(
      isCompacted
        ? new FlotillaError('compacted', 'the store no longer has the revisions to watch from; list and watch again', {
            compactRevision,
          })
        : new FlotillaError('unavailable', `the store ended the watch: ${cancelReason}`),
    );
  }
}

function streamEnded(): FlotillaError {
  return new FlotillaError('unavailable', 'the watch stream ended');
}
