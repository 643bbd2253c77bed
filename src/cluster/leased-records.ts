import { type ErrorCode, isFlotillaError } from '../lib/index.ts';
import type { Announcement, Published } from './machine-records.ts';

export interface LeasedRecordsOptions<T> {
  /** Returns the records in the store that stay there as long as the announcement's lease. */
  readonly read: (announcement: Announcement) => Promise<Published<T>>;
  /** Writes (or, with undefined, removes) records under the announcement's fence. */
  readonly write: (announcement: Announcement, changes: ReadonlyMap<string, T | undefined>) => Promise<void>;
  readonly same: (a: T, b: T) => boolean;
}

/** Errors after which nothing was written and a new announcement would not help. */
const REFUSALS: readonly ErrorCode[] = ['too-large', 'invalid', 'forbidden', 'unauthorized'];

/** The records of one kind that a machine keeps in the store under its lease. */
export class LeasedRecords<T> {
  readonly #options: LeasedRecordsOptions<T>;
  #published = new Map<string, T | undefined>();
  #under: Announcement | undefined;
  /** An announcement with a write that may still be on its way: the machine must be announced anew before the next write. */
  #doubted: Announcement | undefined;

  constructor(options: LeasedRecordsOptions<T>) {
    this.#options = options;
  }

  /**
   * Makes the records in the store equal to `current`, writing only what differs. Returns `announce` when that has to wait
   * for a new announcement: the outcome of a write is unknown, and only a new fence keeps it from taking effect later.
   */
  async publish(announcement: Announcement, current: ReadonlyMap<string, T>): Promise<'published' | 'announce'> {
    const { read, write, same } = this.#options;
    if (this.#doubted === announcement) return 'announce';
    if (this.#under !== announcement) {
      this.#published = new Map(await read(announcement));
      this.#under = announcement;
    }
    const changes = recordChanges(this.#published, current, same);
    if (changes.size === 0) return 'published';
    try {
      await write(announcement, changes);
    } catch (error) {
      if (!isFlotillaError(error) || REFUSALS.includes(error.code)) throw error;
      this.#doubted = announcement;
      return 'announce';
    }
    for (const [key, record] of changes) {
      if (record === undefined) this.#published.delete(key);
      else this.#published.set(key, record);
    }
    return 'published';
  }
}

/** Returns what to write (undefined: to remove) to turn `published` into `current`. */
function recordChanges<T>(
  published: Published<T>,
  current: ReadonlyMap<string, T>,
  same: (a: T, b: T) => boolean,
): Map<string, T | undefined> {
  const changes = new Map<string, T | undefined>();
  for (const [key, record] of current) {
    const known = published.get(key);
    if (known === undefined || !same(known, record)) changes.set(key, record);
  }
  for (const key of published.keys()) if (!current.has(key)) changes.set(key, undefined);
  return changes;
}
