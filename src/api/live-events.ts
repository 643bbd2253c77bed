import { type ChangeBatch, dated, type Moment, momentsOf, type Snapshot } from '../cluster/index.ts';
import type { Clock } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import type { ApiHappened } from './shapes/index.ts';
import { tellMoments } from './tell-moments.ts';

/** The leader writes down within milliseconds that a machine is lost; without a leader nobody does. */
const WAIT_FOR_TIME_MS = 2000;
/** Machines that are gone and remembered: what is told of a machine later comes within seconds of its end. */
const MAX_GONE = 1000;

export interface LiveEventsOptions {
  readonly clock: Clock;
  /** Takes what happened, in the order of revisions. */
  readonly tell: (happened: readonly ApiHappened[]) => void;
}

/**
 * What happens, told as it will stand in the history: with the time at which it was written down. A revision without one
 * waits for the next that has one, and so does all behind it.
 */
export class LiveEvents {
  readonly #options: LiveEventsOptions;
  #waiting: { readonly moment: Moment; readonly happened: readonly ApiHappened[] }[] = [];
  /** The newest MAX_GONE machines that are gone, as they were when they were last there, for what is told of them later. */
  readonly #gone = new Map<string, Machine>();
  #cancel: (() => void) | undefined;

  constructor(options: LiveEventsOptions) {
    this.#options = options;
  }

  /** The first revision that still waits. */
  get firstWaiting(): number | undefined {
    return this.#waiting[0]?.moment.revision;
  }

  add(batch: ChangeBatch, snapshot: Snapshot): void {
    const moments = momentsOf(batch);
    const told = tellMoments(moments, snapshot, this.#gone);
    for (const change of batch.changes) if (change.kind === 'machine') this.#remember(change.id, change);
    this.#waiting.push(...moments.map((moment, i) => ({ moment, happened: told[i]! })));
    // A list that was read anew tells no time, and none will come.
    if (batch.steps === undefined) this.#release(this.#waiting.length);
    else this.#release(this.#waiting.findLastIndex(({ moment }) => moment.atMs !== undefined) + 1);
    if (this.#waiting.length === 0) return;
    // The timer runs from the first that waits: events that follow it do not put it off.
    this.#cancel ??= this.#options.clock.after(WAIT_FOR_TIME_MS, () => this.#release(this.#waiting.length));
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting = [];
  }

  #remember(id: string, { before, after }: { readonly before?: Machine; readonly after?: Machine }): void {
    this.#gone.delete(id);
    if (after !== undefined || before === undefined) return;
    this.#gone.set(id, before);
    for (const oldest of this.#gone.keys()) {
      if (this.#gone.size <= MAX_GONE) return;
      this.#gone.delete(oldest);
    }
  }

  #release(count: number): void {
    if (count === 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
    const ready = this.#waiting.splice(0, count);
    const times = dated(ready.map(({ moment }) => moment));
    const happened = ready.flatMap((waiting, i) => {
      const { atMs, approximate } = times[i]!;
      const time = { ...(atMs === undefined ? {} : { atMs }), ...(approximate ? { approximate } : {}) };
      return waiting.happened.map((event) => ({ ...event, ...time }));
    });
    if (happened.length > 0) this.#options.tell(happened);
  }
}
