import { type Clock, FlotillaError, type Log, type Random } from '../lib/index.ts';
import type { Condition, Entry, Lease, Store, Write } from '../store/index.ts';
import { Keys } from './keys.ts';

const NOTHING_BUT_TIME = JSON.stringify({ deleted: true });
const STAMP = /,"at":(\d+)\}$/;

export interface ClusterOptions {
  readonly store: Store;
  /** The prefix of every key, e.g. `/_coreos.com/fleet/`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The parts that all operations of the cluster share: the store, the key layout, and the clock for the times in records. */
export class Records {
  readonly store: Store;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;

  constructor({ store, prefix, clock, random, log }: ClusterOptions) {
    this.store = store;
    this.keys = new Keys(prefix);
    this.clock = clock;
    this.random = random;
    this.log = log;
  }

  /** Called with the key of each record that cannot be read and so counts as absent. */
  readonly onUnreadable = (key: string): void => this.log.error('Unreadable record passed over', { key });

  /** Writes a record with the time at which it is written, for the history that users read. */
  put(key: string, record: string, lease?: Lease): Write {
    const value = `${record.slice(0, -1)},"at":${Math.round(this.clock.now())}}`;
    return lease ? { put: key, value, lease: lease.id } : { put: key, value };
  }
}

/** Returns `writes` with their time: a commit that only deletes gets a note, which holds it. */
export function withTime(records: Records, writes: readonly Write[]): readonly Write[] {
  return writes.length === 0 || writes.some((write) => 'put' in write)
    ? writes
    : [...writes, records.put(records.keys.note, NOTHING_BUT_TIME)];
}

/** How often a write is tried again when another client changed its key. */
export const COMPARE_AND_SET_TRIES = 16;

/** Returns the condition that a key is as it was read. */
export function unchanged(key: string, entry: Entry | undefined): Condition {
  return entry ? { key, modRevision: entry.modRevision } : { key, createRevision: 0 };
}

/** Returns true when writing the record would change nothing but its time. */
export function isWritten(entry: Entry | undefined, record: string): boolean {
  return entry !== undefined && entry.value.replace(STAMP, '}') === record;
}

/** Returns when a record was written, in milliseconds since 1970; undefined for a value that is no record. */
export function stampOf(value: string): number | undefined {
  const match = STAMP.exec(value);
  return match ? Number(match[1]) : undefined;
}

/** Reads `key` and commits what `decide` makes of it, on the condition that it did not change; else tries again. */
export async function compareAndSet(
  records: Records,
  key: string,
  decide: (entry: Entry | undefined) => readonly Write[] | undefined,
): Promise<boolean> {
  for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries++) {
    const entry = await records.store.get(key);
    const writes = decide(entry);
    if (!writes) return false;
    if (writes.length === 0) return true;
    const { ok } = await records.store.commit([unchanged(key, entry)], writes);
    if (ok) return true;
  }
  throw new FlotillaError('conflict', `${key} is being changed by many writers at once; try again`, { key });
}
