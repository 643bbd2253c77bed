import type { Clock, Log } from '../lib/index.ts';
import type { Placement } from '../model/index.ts';

/** Why a unit that is placed here could not be loaded or started. */
export interface Refusal {
  readonly hash: string;
  readonly step: 'load' | 'start';
  readonly message: string;
  readonly again: TryAgain;
  readonly tries: number;
}

/**
 * When to try a refused step again, besides for another file. There always is a time, since nothing tells the agent that a
 * disk is no longer full. `loads`: also when any unit was loaded, since a refused start may require it.
 */
interface TryAgain {
  /** By the monotonic clock, in milliseconds; never Infinity. */
  readonly atMs: number;
  readonly on: 'time' | 'loads';
}

/** A unit that could not be loaded or started is tried again after this, doubled each time up to the longest. */
const RETRY_MS = 1000;
const RETRY_AT_MOST_MS = 60_000;

/** What this machine could not load or start, and when it tries again. */
export class Refusals {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #byUnit = new Map<string, Refusal>();

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** All of them by unit, for the statuses. */
  get byUnit(): ReadonlyMap<string, Refusal> {
    return this.#byUnit;
  }

  /** The hashes of the refused files that are not to be tried again yet, by unit. */
  lasting(): ReadonlyMap<string, string> {
    const nowMs = this.#clock.monotonic();
    const lasting = [...this.#byUnit].filter(([, { again }]) => again.atMs > nowMs);
    return new Map(lasting.map(([unit, { hash }]) => [unit, hash]));
  }

  has(unit: string): boolean {
    return this.#byUnit.has(unit);
  }

  add(unit: string, { hash, step, message }: Pick<Refusal, 'hash' | 'step' | 'message'>): void {
    const before = this.#byUnit.get(unit);
    const tries = before?.hash === hash && before.step === step ? before.tries + 1 : 0;
    const delayMs = Math.min(RETRY_MS * 2 ** tries, RETRY_AT_MOST_MS);
    const known = before?.hash === hash && before.message === message;
    this.#log[known ? 'debug' : 'error']('Unit refused by this machine', { unit, step, error: message });
    const again: TryAgain = { atMs: this.#clock.monotonic() + delayMs, on: step === 'start' ? 'loads' : 'time' };
    this.#byUnit.set(unit, { hash, step, message, tries, again });
  }

  delete(unit: string): void {
    this.#byUnit.delete(unit);
  }

  /** Forgets refusals of files that are no longer placed here; returns true when there were any. */
  forgetOthers(placements: ReadonlyMap<string, Placement>): boolean {
    let forgot = false;
    for (const [unit, { hash, step }] of this.#byUnit) {
      const placement = placements.get(unit);
      if (placement?.hash === hash && (step === 'load' || placement.desired === 'launched')) continue;
      forgot = this.#byUnit.delete(unit);
    }
    return forgot;
  }

  /** Lets refused starts be tried now, which what was loaded may have waited for; returns true when there are any. */
  retryWhatLoadsAllow(): boolean {
    let isAny = false;
    for (const [unit, refusal] of this.#byUnit) {
      if (refusal.again.on !== 'loads') continue;
      this.#byUnit.set(unit, { ...refusal, again: { atMs: 0, on: 'loads' } });
      isAny = true;
    }
    return isAny;
  }
}
