import { FlotillaError } from '../../src/lib/index.ts';
import type { CommitResult, Condition, Entry, Range, WatchEvent, Write } from '../../src/store/index.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What one commit changed, for whoever watches over the invariants. `by` is the machine that sent it, if any. */
export interface Commit {
  readonly revision: number;
  readonly by: string | undefined;
  readonly events: readonly WatchEvent[];
}

interface ServerLease {
  readonly ttlMs: number;
  expiresAtMs: number;
}

/** The store itself: always right, sometimes down. Faults of the network are the client's. */
export class StoreServer {
  readonly #time: VirtualTime;
  readonly #entries = new Map<string, Entry>();
  readonly #log: { revision: number; events: readonly WatchEvent[] }[] = [];
  readonly #leases = new Map<string, ServerLease>();
  readonly #listeners = new Set<() => void>();
  #nextLease = 1;
  #compacted = 0;
  #up = true;
  revision = 1;
  /** Called after every commit, with the state already changed. Throwing fails the run. */
  onCommit: (commit: Commit) => void = () => {};

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  get up(): boolean {
    return this.#up;
  }

  /** Sorted by key. */
  entries(range: Range): Entry[] {
    return [...this.#entries.values()]
      .filter(({ key }) => key >= range.from && key < range.to)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  commit(by: string | undefined, conditions: readonly Condition[], writes: readonly Write[]): CommitResult {
    if (!conditions.every((condition) => this.#holds(condition))) return { ok: false, revision: this.revision };
    for (const write of writes)
      if ('put' in write && write.lease !== undefined && !this.#leases.has(write.lease))
        throw new FlotillaError('not-found', 'requested lease not found');
    this.#write(by, writes);
    return { ok: true, revision: this.revision };
  }

  eventsAfter(revision: number, range: Range): { revision: number; events: readonly WatchEvent[] }[] {
    if (revision < this.#compacted) throw new FlotillaError('compacted', 'required revision has been compacted');
    return this.#log
      .filter((batch) => batch.revision > revision)
      .map((batch) => ({ revision: batch.revision, events: batch.events.filter((event) => inRange(event, range)) }))
      .filter((batch) => batch.events.length > 0);
  }

  compact(keep: number): void {
    this.#compacted = Math.max(this.#compacted, this.revision - keep);
    while (this.#log.length > 0 && this.#log[0]!.revision <= this.#compacted) this.#log.shift();
  }

  grant(ttlMs: number): string {
    const id = String(this.#nextLease++);
    const lease = { ttlMs, expiresAtMs: this.#time.nowMs + ttlMs };
    this.#leases.set(id, lease);
    this.#scheduleExpiry(id, lease);
    return id;
  }

  /** The lease's TTL, or undefined when it is not there. */
  keepAlive(id: string): number | undefined {
    const lease = this.#leases.get(id);
    if (lease) lease.expiresAtMs = this.#time.nowMs + lease.ttlMs;
    return lease?.ttlMs;
  }

  hasLease(id: string): boolean {
    return this.#leases.has(id);
  }

  revoke(id: string): void {
    if (!this.#leases.delete(id)) return;
    const keys = [...this.#entries.values()].filter((entry) => entry.lease === id).map(({ key }) => ({ delete: key }));
    if (keys.length > 0) this.#write(undefined, keys);
  }

  /** Down: nobody is answered and no lease ends. */
  stop(): void {
    this.#up = false;
  }

  /** Up again, every lease with its full time, as etcd does it. */
  start(): void {
    this.#up = true;
    for (const lease of this.#leases.values()) lease.expiresAtMs = this.#time.nowMs + lease.ttlMs;
    for (const [id, lease] of this.#leases) this.#scheduleExpiry(id, lease);
    this.#notify();
  }

  /** Calls `fn` whenever there may be something new to watch. Returns the unsubscribe. */
  subscribe(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #scheduleExpiry(id: string, lease: ServerLease): void {
    this.#time.schedule(lease.expiresAtMs - this.#time.nowMs, () => {
      if (!this.#up || this.#leases.get(id) !== lease) return;
      if (this.#time.nowMs >= lease.expiresAtMs) this.revoke(id);
      else this.#scheduleExpiry(id, lease);
    });
  }

  #holds(condition: Condition): boolean {
    if ('range' in condition)
      return this.entries(condition.range).every(({ modRevision }) => modRevision <= condition.unchangedSince);
    const entry = this.#entries.get(condition.key);
    if ('createRevision' in condition) return (entry?.createRevision ?? 0) === condition.createRevision;
    if ('modRevision' in condition) return (entry?.modRevision ?? 0) === condition.modRevision;
    return (entry?.lease ?? '0') === condition.lease;
  }

  #write(by: string | undefined, writes: readonly Write[]): void {
    const revision = this.revision + 1;
    const events = writes.flatMap((write) => this.#apply(write, revision));
    if (events.length === 0) return;
    this.revision = revision;
    this.#log.push({ revision, events });
    this.onCommit({ revision, by, events });
    this.#notify();
  }

  #apply(write: Write, revision: number): WatchEvent[] {
    if ('put' in write) {
      const previous = this.#entries.get(write.put);
      const entry: Entry = {
        key: write.put,
        value: write.value,
        createRevision: previous?.createRevision ?? revision,
        modRevision: revision,
        ...(write.lease === undefined ? {} : { lease: write.lease }),
      };
      this.#entries.set(write.put, entry);
      return [{ type: 'put', entry, ...(previous ? { previous } : {}) }];
    }
    const keys = 'delete' in write ? [write.delete] : this.entries(write.deleteRange).map(({ key }) => key);
    return keys.flatMap((key) => {
      const previous = this.#entries.get(key);
      this.#entries.delete(key);
      return previous ? [{ type: 'delete' as const, key, modRevision: revision, previous }] : [];
    });
  }
}

function inRange(event: WatchEvent, range: Range): boolean {
  const key = event.type === 'put' ? event.entry.key : event.key;
  return key >= range.from && key < range.to;
}
