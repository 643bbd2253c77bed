import { Backoff, FlotillaError, isFlotillaError, messageOf } from '../lib/index.ts';
import { BatchQueue } from './batch-queue.ts';
import type { KeyMapping } from './entries.ts';
import { RANGE } from './etcd-calls.ts';
import type { EtcdClient } from './etcd-client.ts';
import { answersProgressInOrder, quietUntil } from './progress-check.ts';
import type { Event } from './proto/index.ts';
import type { Range, Watch, WatchBatch, WatchEvent } from './store.ts';
import { WatchSession } from './watch-session.ts';

export interface EtcdWatchOptions {
  readonly client: EtcdClient;
  readonly range: Range;
  readonly after: number;
  readonly signal: AbortSignal;
  readonly keys: KeyMapping;
  /** Called once when the watch has ended. */
  onEnd(): void;
  /**
   * Called when the store was set back behind revisions that this watch has delivered, the last of them at `toldAt`
   * (monotonic).
   */
  onSetBack(toldAt: number): void;
}

// A server that is not ready for a progress request may ignore it: repeat.
const PROGRESS_RETRY_MS = 100;
const DELETE = 1;
/** A returning machine acts only after its watches are back; until then it may run what others run by now. */
const MAX_BACKOFF_MS = 250;

/**
 * A watch that survives connections. Each new session resumes behind the last delivered revision, taken from events and
 * progress responses, never from the header of an event's response, which may be ahead of the events.
 */
export class EtcdWatch implements Watch {
  readonly #options: EtcdWatchOptions;
  readonly #encoded: { readonly key: Buffer; readonly rangeEnd: Buffer };
  readonly #queue = new BatchQueue();
  readonly #ending = new AbortController();
  #session: WatchSession | undefined;
  #inOrder: boolean | undefined;
  #delivered: number;
  /** The monotonic time at which the store was known to have reached `delivered`. */
  #toldAt: number;
  #wanted = false;
  #wantedAgain = false;
  #stopRetry: () => void = () => {};

  constructor(options: EtcdWatchOptions) {
    this.#options = options;
    this.#encoded = options.keys.range(options.range);
    this.#delivered = options.after;
    this.#toldAt = options.client.clock.monotonic();
    this.#queue.onRoom = () => this.#session?.resume();
    this.#queue.onReturn = () => this.#end();
    options.signal.addEventListener('abort', this.#end, { once: true, signal: this.#ending.signal });
    if (options.signal.aborted) queueMicrotask(this.#end);
    else void this.#run();
  }

  [Symbol.asyncIterator](): AsyncIterator<WatchBatch> {
    return this.#queue;
  }

  requestProgress(): void {
    if (this.#wanted) {
      // The response on its way may be too old for this request: ask again afterwards.
      this.#wantedAgain = true;
      return;
    }
    this.#wanted = true;
    this.#askProgress();
  }

  /** Ends the watch; the consumer still gets the batches that have arrived. */
  end(failure?: unknown): void {
    this.#queue.end(failure);
    this.#end();
  }

  readonly #end = (): void => {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.#options.onEnd();
    this.#queue.end();
    this.#stopRetry();
    this.#session?.stop();
  };

  async #run(): Promise<void> {
    const { client } = this.#options;
    const backoff = new Backoff({ minMs: 20, maxMs: MAX_BACKOFF_MS }, client.random);
    while (!this.#ending.signal.aborted) {
      const { reason, created } = await this.#runSession();
      if (this.#ending.signal.aborted) return;
      if (client.closed) return this.end();
      if (isFlotillaError(reason, 'compacted')) return this.end(reason);
      if (created) backoff.reset();
      const delayMs = backoff.next();
      client.log.debug('Watch broke, resuming', { after: this.#delivered, error: messageOf(reason) });
      await client.clock.sleep(delayMs, this.#ending.signal).catch(() => {});
    }
  }

  /** Runs one session to its end, which is always a failure. */
  async #runSession(): Promise<{ reason: unknown; created: boolean }> {
    const { client } = this.#options;
    const session = new WatchSession({
      client,
      ...this.#encoded,
      startRevision: this.#delivered + 1,
      handlers: {
        created: () => this.#askProgress(),
        events: (events) => this.#deliver(events),
        progress: (revision) => this.#progress(revision),
      },
    });
    this.#session = session;
    try {
      this.#inOrder = await answersProgressInOrder(client);
      await this.#checkNotSetBack();
      const reason = this.#ending.signal.aborted ? undefined : await session.run();
      return { reason, created: session.created };
    } catch (reason) {
      return { reason, created: session.created };
    }
  }

  /**
   * Checks that the store was not restored from an older backup. Such a store would take the watch for one of the
   * future and stay silent until it reaches that revision.
   */
  async #checkNotSetBack(): Promise<void> {
    const { client, onSetBack } = this.#options;
    const { header } = await client.call(RANGE, { key: this.#encoded.key, countOnly: true });
    const revision = header?.revision ?? 0;
    if (revision >= this.#delivered) return;
    const facts = { revision, delivered: this.#delivered };
    client.log.error('The store was set back: reading everything again', facts);
    onSetBack(this.#toldAt);
    throw new FlotillaError('compacted', `the store was set back to revision ${revision}; list and watch again`, facts);
  }

  #deliver(events: readonly Event[]): void {
    const fresh = events.filter((event) => (event.kv?.modRevision ?? 0) > this.#delivered);
    const revision = fresh.at(-1)?.kv?.modRevision;
    if (revision === undefined) return;
    this.#delivered = revision;
    this.#toldAt = this.#options.client.clock.monotonic();
    this.#push({ revision, events: fresh.map((event) => this.#event(event)) });
  }

  #progress(revision: number): void {
    // A progress response out of order proves nothing; quietUntil does.
    if (!this.#inOrder) return;
    this.#answered(revision);
  }

  #answered(revision: number): void {
    const wanted = this.#wanted;
    const further = revision > this.#delivered;
    this.#delivered = Math.max(this.#delivered, revision);
    this.#toldAt = this.#options.client.clock.monotonic();
    if (wanted || further) this.#push({ revision: this.#delivered, events: [] });
    this.#wanted = false;
    this.#stopRetry();
    if (!this.#wantedAgain) return;
    this.#wantedAgain = false;
    this.requestProgress();
  }

  #askProgress(): void {
    this.#stopRetry();
    if (!this.#wanted || !this.#session?.created || this.#ending.signal.aborted) return;
    this.#stopRetry = this.#options.client.clock.after(PROGRESS_RETRY_MS, () => this.#askProgress());
    if (this.#inOrder) this.#session.requestProgress();
    else void this.#checkProgress();
  }

  async #checkProgress(): Promise<void> {
    const delivered = this.#delivered;
    try {
      const revision = await quietUntil(this.#options.client, this.#encoded, delivered);
      if (revision !== undefined && delivered === this.#delivered && this.#wanted) this.#answered(revision);
    } catch (error) {
      if (isFlotillaError(error, 'compacted')) return this.end(error);
      this.#options.client.log.debug('Cannot tell how far a watch has got', { error: messageOf(error) });
    }
  }

  #push(batch: WatchBatch): void {
    this.#queue.push(batch);
    if (this.#queue.full) this.#session?.pause();
  }

  #event({ type, kv, prevKv }: Event): WatchEvent {
    const { keys } = this.#options;
    const previous = prevKv && { previous: keys.entry(prevKv) };
    if (type === DELETE) return { type: 'delete', key: keys.name(kv!.key), modRevision: kv!.modRevision, ...previous };
    return { type: 'put', entry: keys.entry(kv!), ...previous };
  }
}
