import type { Clock } from '../../../lib/index.ts';

/** The two timers of a unit's present state: one for its end, one for the next look. */
export class StateTimers {
  readonly #clock: Clock;
  #cancelLimit: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `then` after `ms`, in place of an earlier call. Infinity is never. */
  limit(ms: number, then: () => void): void {
    this.#cancelLimit?.();
    this.#cancelLimit = undefined;
    if (Number.isFinite(ms)) this.#waitUntil(this.#clock.monotonic() + ms, then);
  }

  #waitUntil(due: number, then: () => void): void {
    this.#cancelLimit = this.#clock.after(due - this.#clock.monotonic(), () => {
      // Clock.after() waits a day at most.
      if (this.#clock.monotonic() < due - 1) this.#waitUntil(due, then);
      else then();
    });
  }

  get isLookDue(): boolean {
    return this.#cancelLook !== undefined;
  }

  /** Calls `then` after `ms`, in place of an earlier call. Undefined is never. */
  look(ms: number | undefined, then: () => void): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    if (ms === undefined) return;
    this.#cancelLook = this.#clock.after(ms, () => {
      this.#cancelLook = undefined;
      then();
    });
  }

  cancel(): void {
    this.#cancelLimit?.();
    this.#cancelLook?.();
  }
}
