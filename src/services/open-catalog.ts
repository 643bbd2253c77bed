import type { CatalogChange, CatalogRecords, Cluster, View } from '../cluster/index.ts';
import { Backoff, type Clock, FlotillaError, type Log, messageOf, type Random, within } from '../lib/index.ts';
import type { Catalog, CatalogSnapshot } from './catalog.ts';
import { CatalogBuilder } from './catalog-builder.ts';

export interface CatalogOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** How long `sync` waits for a store that has not been reached yet, in milliseconds. */
  readonly openTimeoutMs?: number;
}

/**
 * Opens the catalog of this machine, fed by one watch until the signal aborts. It is empty until the store has been reached
 * for the first time, and keeps its last state while the store is lost.
 */
export function openCatalog(options: CatalogOptions): Catalog {
  return new WatchedCatalog(options);
}

class WatchedCatalog implements Catalog {
  readonly #options: CatalogOptions;
  readonly #builder = new CatalogBuilder();
  readonly #listeners = new Set<(snapshot: CatalogSnapshot) => void>();
  readonly #opened: Promise<View<CatalogRecords, CatalogChange>>;

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#opened = this.#open();
    // Callers of sync() get the error.
    this.#opened.catch(() => {});
  }

  get snapshot(): CatalogSnapshot {
    return this.#builder.snapshot();
  }

  onChange(listener: (snapshot: CatalogSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async sync(signal?: AbortSignal): Promise<void> {
    const { openTimeoutMs = 5000 } = this.#options;
    const late = 'the store has not been reached yet';
    const view = await this.#within(this.#opened, late, { timeoutMs: openTimeoutMs, signal });
    await this.#within(view.sync(), 'the store did not answer in time', { signal });
  }

  async #open(): Promise<View<CatalogRecords, CatalogChange>> {
    const { cluster, clock, random, log, signal } = this.#options;
    const backoff = new Backoff({ minMs: 50, maxMs: 2000 }, random);
    for (;;) {
      signal.throwIfAborted();
      try {
        const view = await cluster.catalogView(signal);
        this.#begin(view);
        return view;
      } catch (error) {
        log.debug('Catalog not opened, trying again', { error: messageOf(error) });
        await clock.sleep(backoff.next(), signal);
      }
    }
  }

  #begin(view: View<CatalogRecords, CatalogChange>): void {
    this.#builder.begin(view.snapshot);
    this.#tell();
    view.onChange(({ revision, changes }) => {
      this.#builder.apply(revision, changes);
      this.#tell();
    });
  }

  #tell(): void {
    if (this.#listeners.size === 0) return;
    const snapshot = this.#builder.snapshot();
    for (const listener of this.#listeners) listener(snapshot);
  }

  /** Resolves as the promise does; rejects when the time is over or `signal` aborts first. */
  #within<T>(
    promise: Promise<T>,
    late: string,
    { timeoutMs, signal }: { readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined },
  ): Promise<T> {
    const { clock } = this.#options;
    return within(signal, (resolve, reject) => {
      promise.then(resolve, reject);
      if (timeoutMs === undefined) return () => {};
      return clock.after(timeoutMs, () => reject(new FlotillaError('unavailable', late)));
    });
  }
}
