import { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';
import { RepeatedFailure } from './repeated-failure.ts';

export interface RestartsOptions {
  /** What the process is called in the log. */
  readonly what: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called for each restart, before it is made. */
  readonly onRestart?: () => void;
}

/** A process that served for so long has come up well: its next end counts as the first again. */
const STEADY_MS = 10_000;

/**
 * The restarts of a process that is to run always: soon after its first end, later each time that it ends soon again, and
 * logged once for each change.
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

  /** The process serves from now on. */
  serves(): void {
    this.#cancelSteady();
    this.#cancelSteady = this.#options.clock.after(STEADY_MS, () => {
      this.#backoff.reset();
      this.#failure.succeeded();
    });
  }

  /** The process ended after it had served; returns the milliseconds until it may be started again. */
  ended(because: string): number {
    this.#cancelSteady();
    this.#failure.failed(because);
    this.#options.onRestart?.();
    return this.#backoff.next();
  }
}
