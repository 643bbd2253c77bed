import type { Clock, Log, Random } from '../../lib/index.ts';
import { messageOf, RepeatedFailure } from '../../lib/index.ts';
import { GrpcError, STATUS } from '../grpc/index.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { Tables } from './database.ts';
import { leaseKey } from './keys.ts';
import type { RevisionWriter } from './revision-writer.ts';
import { MAX_TXN_KEYS } from './txn-work.ts';

interface Live {
  readonly ttlMs: number;
  /** Monotonic milliseconds. */
  expiresAt: number;
  /** True while its end is being written: it cannot be kept alive any more. */
  ending: boolean;
}

export interface LeaseState {
  /** Remaining whole seconds; -1 when the lease does not exist. */
  readonly ttl: number;
  readonly grantedTtl: number;
}

export interface LeasesOptions {
  readonly tables: Tables;
  readonly queue: CommitQueue;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const MAX_TTL_SECONDS = 9_000_000_000;
/** Ids have 64 bits. etcd's are signed, and -1 is a valid id. */
const LAST_ID = 2n ** 64n - 1n;
const RETRY_MS = 1000;
// A timer this late means that the whole process was stopped; clients that could not be heard must not suffer for it.
const STANDSTILL_MS = 500;
const MAX_WAIT_MS = 60_000;

/** Leases: stored on disk, their deadlines in memory. After a restart each has its full time again. */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #live = new Map<bigint, Live>();
  readonly #failure: RepeatedFailure;
  #cancelTimer: () => void = () => {};
  #wakesAt = Number.POSITIVE_INFINITY;

  constructor(options: LeasesOptions) {
    this.#options = options;
    const { clock, log } = options;
    const [sentence, over] = ['Cannot write the end of a lease, trying again', 'The ends of leases are written again'];
    this.#failure = new RepeatedFailure({ clock, log, sentence, over });
    for (const { key, value } of options.tables.leases.getRange({})) {
      this.#start(key.readBigUInt64BE(), Number(value.readBigUInt64BE()));
    }
  }

  /**
   * Grants a lease of `wantedTtl` seconds, at least one (etcd too lengthens short ones, zero and below included); id 0
   * lets the store choose one.
   */
  async grant(wantedId: bigint, wantedTtl: number): Promise<{ readonly id: bigint; readonly ttl: number }> {
    const ttl = Math.max(1, wantedTtl);
    if (ttl > MAX_TTL_SECONDS) throw new GrpcError(STATUS.outOfRange, 'etcdserver: too large lease TTL');
    const id = wantedId === 0n ? this.#freeId() : wantedId;
    await this.#options.queue.submit(() => {
      const { leases } = this.#options.tables;
      if (leases.get(leaseKey(id))) throw new GrpcError(STATUS.failedPrecondition, 'etcdserver: lease already exists');
      const record = Buffer.alloc(8);
      record.writeBigUInt64BE(BigInt(ttl));
      leases.put(leaseKey(id), record);
    });
    this.#start(id, ttl);
    return { id, ttl };
  }

  /** Restarts the lease's time and returns it in seconds; 0 when the lease has ended. */
  keepAlive(id: bigint): number {
    const live = this.#live.get(id);
    if (!live || live.ending) return 0;
    live.expiresAt = this.#options.clock.monotonic() + live.ttlMs;
    return live.ttlMs / 1000;
  }

  /** Revokes the lease: its keys are deleted in one revision. */
  async revoke(id: bigint): Promise<void> {
    const live = this.#live.get(id);
    if (!live) throw leaseNotFound();
    live.ending = true;
    try {
      await this.#end(id);
    } catch (error) {
      live.ending = false;
      this.#arm(live.expiresAt);
      throw error;
    }
  }

  timeToLive(id: bigint): LeaseState {
    const live = this.#live.get(id);
    if (!live) return { ttl: -1, grantedTtl: 0 };
    const leftMs = Math.max(0, live.expiresAt - this.#options.clock.monotonic());
    return { ttl: Math.floor(leftMs / 1000), grantedTtl: live.ttlMs / 1000 };
  }

  /** Lists the keys attached to a lease, at most `limit` of them. */
  keys(id: bigint, limit?: number): Buffer[] {
    const start = leaseKey(id);
    // No id follows the last one, an int64 of -1.
    const options = { start, ...(id === LAST_ID ? {} : { end: leaseKey(id + 1n) }), ...(limit ? { limit } : {}) };
    return Array.from(this.#options.tables.leaseKeys.getKeys(options), (key) => key.subarray(8));
  }

  ids(): bigint[] {
    return [...this.#live.keys()];
  }

  /** Throws etcd's error for a lease that does not exist. */
  check(id: bigint): void {
    const live = this.#live.get(id);
    if (!live || live.ending) throw leaseNotFound();
  }

  close(): void {
    this.#cancelTimer();
  }

  #freeId(): bigint {
    for (;;) {
      const id = BigInt.asUintN(62, BigInt(`0x${this.#options.random.hex(8)}`));
      if (id !== 0n && !this.#live.has(id)) return id;
    }
  }

  #start(id: bigint, ttl: number): void {
    const ttlMs = ttl * 1000;
    const expiresAt = this.#options.clock.monotonic() + ttlMs;
    this.#live.set(id, { ttlMs, expiresAt, ending: false });
    this.#arm(expiresAt);
  }

  #arm(at: number): void {
    const now = this.#options.clock.monotonic();
    const wakesAt = Math.min(at, now + MAX_WAIT_MS);
    if (wakesAt >= this.#wakesAt) return;
    this.#cancelTimer();
    this.#wakesAt = wakesAt;
    this.#cancelTimer = this.#options.clock.after(wakesAt - now, () => this.#wake());
  }

  #wake(): void {
    const now = this.#options.clock.monotonic();
    const lateMs = now - this.#wakesAt;
    this.#wakesAt = Number.POSITIVE_INFINITY;
    if (lateMs > STANDSTILL_MS) this.#forgive(lateMs);
    for (const [id, live] of this.#live) if (!live.ending && live.expiresAt <= now) this.#expire(id, live);
    const ends = [...this.#live.values()].filter(({ ending }) => !ending).map(({ expiresAt }) => expiresAt);
    if (ends.length > 0) this.#arm(ends.reduce((a, b) => Math.min(a, b)));
  }

  #forgive(lateMs: number): void {
    for (const live of this.#live.values()) live.expiresAt += lateMs;
    this.#options.log.warn('The store stood still; all leases are prolonged by as much', { ms: Math.round(lateMs) });
  }

  #expire(id: bigint, live: Live): void {
    live.ending = true;
    this.#end(id).then(
      () => {
        this.#failure.succeeded();
        this.#options.log.info('Lease expired', { lease: String(id) });
      },
      (error) => {
        if (this.#options.queue.closed) return;
        // For its holder the lease has ended already; only the deletion of its keys is outstanding.
        this.#failure.failed(messageOf(error));
        this.#options.clock.after(RETRY_MS, () => this.#live.has(id) && this.#expire(id, live));
      },
    );
  }

  /** Deletes the keys in one revision, or in several if they exceed the limit of one transaction. */
  async #end(id: bigint): Promise<void> {
    for (let isOver = false; !isOver; ) {
      isOver = await this.#options.queue.submit((writer: RevisionWriter) => {
        const keys = this.keys(id, MAX_TXN_KEYS + 1);
        for (const key of keys.slice(0, MAX_TXN_KEYS)) writer.delete(key);
        if (keys.length > MAX_TXN_KEYS) return false;
        this.#options.tables.leases.remove(leaseKey(id));
        return true;
      });
    }
    this.#live.delete(id);
  }
}

export function leaseNotFound(): GrpcError {
  return new GrpcError(STATUS.notFound, 'etcdserver: requested lease not found');
}
