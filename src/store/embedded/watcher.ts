import { EncodedEvent, type WatchCreateRequest } from '../proto/index.ts';
import { readLog } from './change-log.ts';
import type { Commit } from './commit-queue.ts';
import { inRange, type KeyRange, keyRange } from './keys.ts';
import type { KeyChange, Keyspace } from './keyspace.ts';

const NO_PUT = 0;
const NO_DELETE = 1;
const PUT = 0;
const DELETE = 1;

/** One watch: its filter and its progress. */
export class Watcher {
  readonly id: number;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
  readonly #range: KeyRange;
  readonly #withPrevious: boolean;
  readonly #without: ReadonlySet<number>;
  /** The first revision that it has not been told of. */
  next: number;
  /** Revision of the last message sent to it. */
  told = 0;

  constructor(id: number, request: WatchCreateRequest, next: number) {
    this.id = id;
    this.fragment = request.fragment;
    this.progressNotify = request.progressNotify;
    const range = keyRange(request.key, request.rangeEnd);
    this.#range = { from: Buffer.from(range.from), to: range.to && Buffer.from(range.to) };
    this.#withPrevious = request.prevKv;
    this.#without = new Set(request.filters);
    this.next = next;
  }

  /** Returns the encoded events of these commits that pass its filter. */
  select(commits: readonly Commit[]): Buffer[] {
    const events: Buffer[] = [];
    for (const { revision, changes } of commits) {
      if (revision < this.next) continue;
      for (const change of changes) if (this.#wants(change)) events.push(this.#encode(change));
    }
    return events;
  }

  /** Reads the next portion of events up to `published` from the log and advances `next`. */
  catchUp(keyspace: Keyspace, published: number): Buffer[] {
    const query = { range: this.#range, from: this.next, to: published, withPrevious: this.#withPrevious };
    const { changes, reached } = readLog(keyspace, query);
    this.next = reached + 1;
    return changes.filter(({ change }) => this.#wants(change)).map(({ change }) => this.#encode(change));
  }

  #wants(change: KeyChange): boolean {
    if (this.#without.has(change.type === 'put' ? NO_PUT : NO_DELETE)) return false;
    return inRange(change.key, this.#range);
  }

  #encode(change: KeyChange): Buffer {
    return EncodedEvent.encode({
      type: change.type === 'put' ? PUT : DELETE,
      kv: change.record,
      prevKv: this.#withPrevious ? change.previous : undefined,
    });
  }
}
