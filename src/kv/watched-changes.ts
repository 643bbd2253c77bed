import { type Clock, isFlotillaError, type Log, messageOf, unlessAborted } from '../lib/index.ts';
import type { Store } from '../store/index.ts';
import type { KvArea, KvChanges } from './kv.ts';
import type { KvKeys } from './kv-keys.ts';

export interface WatchedChangesOptions {
  readonly store: Store;
  readonly keys: KvKeys;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly concerns: (place: string) => boolean;
  readonly after: number;
  readonly wake: () => void;
}

/** Limit of the keys whose last change is remembered; of all others the newest forgotten revision is an upper bound. */
const MAX_REMEMBERED = 10_000;

/**
 * Knows when keys last changed, deletions included, from one watch for all blocking queries. The watch begins with the
 * first of them and knows nothing older: a query that waits since then is told at once that something may have changed.
 */
export class WatchedChanges implements KvChanges {
  readonly #options: WatchedChangesOptions;
  /** Revision of the last change by key, in ascending order of revision. */
  readonly #changed = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();
  #since = 1;
  #opened: Promise<void> | undefined;

  constructor(options: WatchedChangesOptions) {
    this.#options = options;
  }

  async lastChange(area: KvArea): Promise<number> {
    await this.#open();
    return this.#lastChange(area);
  }

  async wait(area: KvArea, after: number, signal: AbortSignal): Promise<void> {
    await this.#open();
    if (signal.aborted || this.#lastChange(area) > after) return;
    const concerns = this.#concerns(area);
    await unlessAborted<void>(signal, (wake) => {
      const waiter = { concerns, after, wake };
      this.#waiters.add(waiter);
      return () => this.#waiters.delete(waiter);
    });
  }

  /** Returns a test for keys of the store that belong to the area. */
  #concerns(area: KvArea): (place: string) => boolean {
    const { keys } = this.#options;
    if ('sessions' in area) return (place) => keys.sessionOf(place) !== undefined;
    if ('key' in area) return (place) => place === keys.pair(area.key);
    return (place) => place.startsWith(keys.pair(area.prefix));
  }

  #lastChange(area: KvArea): number {
    if ('key' in area) return Math.max(this.#since, this.#changed.get(this.#options.keys.pair(area.key)) ?? 1);
    const concerns = this.#concerns(area);
    let last = this.#since;
    for (const [place, revision] of this.#changed) if (revision > last && concerns(place)) last = revision;
    return last;
  }

  #open(): Promise<void> {
    this.#opened ??= this.#begin().catch((error) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #begin(): Promise<void> {
    const { store } = this.#options;
    this.#since = await store.revision();
    void this.#follow();
  }

  async #follow(): Promise<void> {
    const { store, keys, signal, log, clock } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const { revision, events } of store.watch(keys.watched, this.#since, signal))
          this.#tell(
            events.map((event) => (event.type === 'put' ? event.entry.key : event.key)),
            revision,
          );
      } catch (error) {
        if (!isFlotillaError(error, 'compacted')) log.warn('Keys are not watched', { error: messageOf(error) });
      }
      await this.#beginAgain();
      await clock.sleep(100, signal).catch(() => {});
    }
  }

  /** Changes during the gap are unknown: wake all blocking queries, so that each reads again. */
  async #beginAgain(): Promise<void> {
    const { store, signal } = this.#options;
    if (signal.aborted) return;
    this.#since = await store.revision().catch(() => this.#since);
    this.#changed.clear();
    for (const waiter of [...this.#waiters]) waiter.wake();
  }

  #tell(keys: readonly string[], revision: number): void {
    for (const key of keys) {
      this.#changed.delete(key);
      this.#changed.set(key, revision);
    }
    while (this.#changed.size > MAX_REMEMBERED) {
      const [key, last] = this.#changed.entries().next().value!;
      this.#changed.delete(key);
      this.#since = Math.max(this.#since, last);
    }
    for (const waiter of [...this.#waiters]) if (revision > waiter.after && keys.some(waiter.concerns)) waiter.wake();
  }
}
