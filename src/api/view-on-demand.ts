import type { ChangeBatch, Cluster, Snapshot, View } from '../cluster/index.ts';
import { type Clock, FlotillaError, isFlotillaError, messageOf } from '../lib/index.ts';
import { withDeadline } from './deadline.ts';

export interface ViewOnDemandOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  /** False while this fleetd must not speak for the cluster, e.g. while another one has its machine id. */
  readonly available: () => boolean;
  /** Where the store is, for people. */
  readonly store: string;
  /** Longest time a request waits for the store, in milliseconds. */
  readonly timeoutMs: number;
  /** A view that nobody asked for this long is closed, in milliseconds. */
  readonly idleMs: number;
}

/** What everybody is told first while the store cannot be reached; scripts written for fleet look for it. */
const UNREACHABLE = 'fleet server unable to communicate with etcd';

type ViewEvents = {
  /** After every batch, with the snapshot already updated. */
  readonly change?: (batch: ChangeBatch) => void;
  /** A view was opened (its snapshot), or closed (none): nothing that was kept of the one before holds any more. */
  readonly renew?: (snapshot: Snapshot | undefined) => void;
};

/**
 * The whole cluster as the API shows it: opened when first asked for, shared by all who ask, closed again when nobody
 * did for a while, so that a fleetd nobody talks to watches nothing.
 */
export class ViewOnDemand {
  readonly #options: ViewOnDemandOptions;
  readonly #listeners = new Set<ViewEvents>();
  #opening: Promise<View> | undefined;
  #view: View | undefined;
  #abort = new AbortController();
  #holds = 0;
  #askedAtMs = 0;
  #closed = false;
  #cancelIdle: (() => void) | undefined;
  #syncing: Promise<unknown> | undefined;
  #nextSync: Promise<unknown> | undefined;

  constructor(options: ViewOnDemandOptions) {
    this.#options = options;
  }

  /** The cluster as of now: everything acknowledged before the call is in it. `unavailable` when the store is not there. */
  read(): Promise<Snapshot> {
    return this.call(async () => {
      const view = await this.#open();
      await this.#sync(view);
      return view.snapshot;
    });
  }

  /** Like `read`, and keeps the view open until `release` is called. */
  async hold(): Promise<{ readonly snapshot: Snapshot; readonly release: () => void }> {
    this.#holds++;
    let held = true;
    const release = () => {
      if (held) this.#holds--;
      held = false;
    };
    try {
      return { snapshot: await this.read(), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Resolves when the store answers; opens no view. */
  async ping(): Promise<void> {
    const view = this.#view;
    // A text that no unit has costs the store next to nothing, and is a consistent read.
    await this.call(() => (view ? this.#sync(view) : this.#options.cluster.texts([{ name: 'ping', hash: '' }])));
  }

  /** Any call of the cluster: bounded in time, and `unavailable` in fleet's words when the store is not there. */
  async call<T>(operation: () => Promise<T>, timeoutMs: number = this.#options.timeoutMs): Promise<T> {
    if (this.#closed) throw unreachable('this fleetd is stopping: ask another machine');
    if (!this.#options.available()) {
      throw unreachable('another machine has the id of this one, whose units run on: give it an id of its own');
    }
    const { clock } = this.#options;
    try {
      return await withDeadline(operation(), timeoutMs, { clock, late: () => this.#unreachable() });
    } catch (error) {
      if (isFlotillaError(error, 'unavailable') || isFlotillaError(error, 'timeout')) throw this.#unreachable(error);
      throw error;
    }
  }

  subscribe(listener: ViewEvents): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #open(): Promise<View> {
    this.#askedAtMs = this.#options.clock.monotonic();
    this.#opening ??= this.#openNew();
    return this.#opening;
  }

  async #openNew(): Promise<View> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#watchIdle(this.#options.idleMs);
    try {
      const view = await this.#options.cluster.fullView(abort.signal);
      if (abort.signal.aborted) {
        view.close();
        throw this.#unreachable();
      }
      view.onChange((batch) => {
        for (const { change } of this.#listeners) change?.(batch);
      });
      this.#view = view;
      for (const { renew } of this.#listeners) renew?.(view.snapshot);
      return view;
    } catch (error) {
      if (this.#abort === abort) this.#drop();
      throw error;
    }
  }

  /** Callers who come while a catch-up is under way share the next one: theirs must begin after they came. */
  #sync(view: View): Promise<unknown> {
    if (this.#syncing === undefined) {
      this.#syncing = view.sync().finally(() => {
        this.#syncing = undefined;
      });
      return this.#syncing;
    }
    this.#nextSync ??= this.#syncing
      .catch(() => {})
      .then(() => {
        this.#nextSync = undefined;
        return this.#sync(view);
      });
    return this.#nextSync;
  }

  #watchIdle(ms: number): void {
    this.#cancelIdle?.();
    const { clock, idleMs } = this.#options;
    this.#cancelIdle = clock.after(ms, () => {
      const leftMs = this.#askedAtMs + idleMs - clock.monotonic();
      if (this.#holds > 0) this.#watchIdle(idleMs);
      else if (leftMs > 0) this.#watchIdle(leftMs);
      else this.#drop();
    });
  }

  #unreachable(cause?: unknown): FlotillaError {
    return unreachable(
      `at ${this.#options.store}: what runs goes on running, and nothing can be changed until it answers`,
      cause,
    );
  }

  #drop(): void {
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    this.#abort.abort(this.#unreachable());
    this.#view?.close();
    const wasOpen = this.#view !== undefined;
    this.#view = undefined;
    this.#opening = undefined;
    this.#syncing = undefined;
    this.#nextSync = undefined;
    if (wasOpen) for (const { renew } of this.#listeners) renew?.(undefined);
  }
}

function unreachable(more: string, cause?: unknown): FlotillaError {
  const message = `${UNREACHABLE}${more.startsWith('at ') ? ' ' : ': '}${more}`;
  return new FlotillaError('unavailable', message, cause === undefined ? {} : { cause: messageOf(cause) }, cause);
}
