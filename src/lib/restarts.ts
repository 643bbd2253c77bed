import { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';
import { RepeatedFailure } from './repeated-failure.ts';

export interface RestartsOptions {
  /** The name of the process in log lines. */
  readonly what: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called before each restart. */
  readonly onRestart?: () => void;
}

/** After serving this long a process counts as healthy: its next end is treated as the first. */
const STEADY_MS = 10_000;

/**
 * Decides when to restart a process that must always run: soon after its first end, with a growing delay while it
 * ends again soon. Logs once for each change.
 */
export class Restarts {
  readonly #options: RestartsOptions;
  readonly #backoff: Backoff;
  readonly #failure: RepeatedFailure;
  #cancelSteady: () => void = () => {};

  constructor(options: RestartsOptions) {
    const { what, clock, random, log } = options;
    this.#options = options;
    this.#backoff = new Backoff({ minMs: 20, maxMs: 5000 }, random);
    const sentence = `The ${what} process went away and is started again`;
    this.#failure = new RepeatedFailure({ clock, log, sentence, over: `The ${what} process stays up again` });
  }

  /** Reports that the process serves. */
  serves(): void {
    this.#cancelSteady();
    this.#cancelSteady = this.#options.clock.after(STEADY_MS, () => {
      this.#backoff.reset();
      this.#failure.succeeded();
    });
  }

  /** Reports the end of a process that has served; returns the milliseconds to wait before the restart. */
  ended(because: string): number {
    this.#cancelSteady();
    this.#failure.failed(because);
    this.#options.onRestart?.();
    return this.#backoff.next();
  }
}
