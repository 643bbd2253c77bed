import {
  Backoff,
  type Clock,
  FlotillaError,
  isFlotillaError,
  type Log,
  messageOf,
  type Random,
  within,
} from '../lib/index.ts';
import type { Range, Store, Watch, WatchEvent } from '../store/index.ts';
import type { FoldOf } from './fold-steps.ts';
import type { ChangeBatch, View } from './snapshot.ts';

export interface ViewOptions<F> {
  readonly store: Store;
  /** The fold of the range; empty when it is handed over. */
  readonly fold: F;
  readonly range: Range;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Listeners are also called for revisions that change nothing in the fold: they may hold the time of others. */
  readonly tellsAll?: boolean;
  /** The longest that `sync` waits for the store, in milliseconds. */
  readonly syncTimeoutMs?: number;
}

/** Lists the range, then follows it by one watch. After a compaction it lists again and reports the difference. */
export async function openView<F extends FoldOf<C>, C>(options: ViewOptions<F>): Promise<View<F, C>> {
  const view = new StoreView<F, C>(options);
  await view.open();
  return view;
}

class StoreView<F extends FoldOf<C>, C> implements View<F, C> {
  readonly #options: ViewOptions<F>;
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<(batch: ChangeBatch<C>) => void>();
  /** Callers of sync() that wait for a revision. */
  readonly #waiting = new Set<{ revision: number; resolve: () => void }>();
  /** The entries seen so far, by key, to find those that are gone when the range has to be listed again. */
  #present = new Set<string>();
  readonly #fold: F;
  #watch: Watch | undefined;

  constructor(options: ViewOptions<F>) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#closing.signal]);
    this.#fold = options.fold;
  }

  get snapshot(): F {
    return this.#fold;
  }

  async open(): Promise<void> {
    await this.#relist();
    void this.#follow();
  }

  async sync(): Promise<F> {
    const known = this.#fold.revision;
    const revision = await this.#options.store.revision();
    if (revision < known)
      throw new FlotillaError('unavailable', 'the store was set back, everything is being read again', { revision });
    if (this.#fold.revision < revision) await this.#reach(revision);
    return this.#fold;
  }

  onChange(fn: (batch: ChangeBatch<C>) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  close(): void {
    this.#closing.abort(new FlotillaError('unavailable', 'this view of the cluster has been closed'));
  }

  async #relist(): Promise<void> {
    const { store, range } = this.#options;
    const { entries, revision } = await store.list(range);
    // In a store that was restored from a backup, another record may have the revision of the one known.
    const isSetBack = revision < this.#fold.revision;
    const gone = this.#present;
    const changes: (C | undefined)[] = [];
    this.#present = new Set(entries.map((entry) => entry.key));
    for (const key of gone) if (isSetBack || !this.#present.has(key)) changes.push(this.#fold.set(key, undefined));
    for (const entry of entries) changes.push(this.#fold.set(entry.key, entry));
    this.#fold.revision = revision;
    this.#advance({ revision, changes: changes.filter((change) => change !== undefined) });
  }

  async #follow(): Promise<void> {
    const { log, clock, random } = this.#options;
    const backoff = new Backoff({ minMs: 50, maxMs: 2000 }, random);
    while (!this.#signal.aborted) {
      try {
        await this.#consume();
        backoff.reset();
      } catch (error) {
        if (this.#signal.aborted) return;
        log.warn('View lost its watch, reading again', { error: messageOf(error) });
        // A compaction is no error: list again at once. After an error wait a moment.
        if (!isFlotillaError(error, 'compacted')) await clock.sleep(backoff.next(), this.#signal).catch(() => {});
        await this.#relist().catch((cause) => log.debug('Reading again failed', { error: messageOf(cause) }));
      }
    }
  }

  async #consume(): Promise<void> {
    const { store, range } = this.#options;
    this.#watch = store.watch(range, this.#fold.revision, this.#signal);
    if (this.#waiting.size > 0) this.#watch.requestProgress();
    for await (const { revision, events } of this.#watch) {
      const steps = events.map((event) => ({ event, change: this.#apply(event) }));
      const changes = steps.flatMap(({ change }) => (change === undefined ? [] : [change]));
      this.#advance({ revision, changes, steps });
    }
  }

  #apply(event: WatchEvent): C | undefined {
    if (event.type === 'put') {
      this.#present.add(event.entry.key);
      return this.#fold.set(event.entry.key, event.entry);
    }
    this.#present.delete(event.key);
    return this.#fold.set(event.key, undefined);
  }

  #advance(batch: ChangeBatch<C>): void {
    this.#fold.revision = Math.max(this.#fold.revision, batch.revision);
    if (batch.changes.length > 0 || (this.#options.tellsAll && batch.steps?.length))
      for (const listener of this.#listeners) listener(batch);
    for (const waiter of this.#waiting) if (waiter.revision <= this.#fold.revision) waiter.resolve();
  }

  /** Waits until the view has seen `revision`; asks the watch for its progress until then. */
  #reach(revision: number): Promise<void> {
    const { clock, syncTimeoutMs = 5000 } = this.#options;
    return within(this.#signal, (resolve, reject) => {
      const waiter = { revision, resolve };
      const cancelDeadline = clock.after(syncTimeoutMs, () =>
        reject(new FlotillaError('unavailable', 'the store did not answer in time', { revision })),
      );
      // A response to an earlier request may name an older revision than `revision`: ask again.
      let cancelAsking = () => {};
      const ask = () => {
        this.#watch?.requestProgress();
        cancelAsking = clock.after(20, ask);
      };
      this.#waiting.add(waiter);
      ask();
      return () => {
        this.#waiting.delete(waiter);
        cancelDeadline();
        cancelAsking();
      };
    });
  }
}
