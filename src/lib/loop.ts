import { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';
import { RepeatedFailure } from './repeated-failure.ts';
import { unlessAborted } from './within.ts';

export interface LoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The longest delay between attempts after failures, in milliseconds. */
  readonly maxBackoffMs?: number;
}

/**
 * Observe, decide, act: runs `turn` once at the start and again after each `wake()`. Wakes during a turn are folded
 * into one more turn. A turn may return the milliseconds after which it wants to run again. A turn that throws is
 * retried with backoff, so that nothing is lost when it fails half-way.
 */
export class Loop {
  readonly #options: LoopOptions;
  readonly #turn: () => Promise<number | undefined>;
  readonly #backoff: Backoff;
  readonly #failure: RepeatedFailure;
  #due = true;
  #notify: (() => void) | undefined;
  /** Resolves when the signal has aborted and the last turn has ended. */
  readonly done: Promise<void>;

  constructor(options: LoopOptions, turn: () => Promise<number | undefined>) {
    this.#options = options;
    this.#turn = turn;
    this.#failure = new RepeatedFailure({
      clock: options.clock,
      log: options.log,
      sentence: 'Turn failed, trying again',
      over: 'Turn succeeded again',
      fields: { loop: options.name },
    });
    this.#backoff = new Backoff({ minMs: 50, maxMs: options.maxBackoffMs ?? 2000 }, options.random);
    this.done = this.#run();
  }

  /** Requests a turn; cheap, may be called any number of times. */
  wake(): void {
    this.#due = true;
    this.#notify?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      this.#due = false;
      const again = await this.#attempt();
      if (!this.#due && !signal.aborted) await this.#pause(again);
    }
  }

  /** Runs one turn; returns the milliseconds until the next one, or undefined to wait for a wake. */
  async #attempt(): Promise<number | undefined> {
    const { signal } = this.#options;
    try {
      const again = await this.#turn();
      this.#backoff.reset();
      this.#failure.succeeded();
      return again;
    } catch (error) {
      if (signal.aborted) return undefined;
      const delayMs = this.#backoff.next();
      this.#failure.failed(messageOf(error));
      // A wake must not shorten the backoff: a busy watch would make a failing turn spin.
      await this.#options.clock.sleep(delayMs, signal).catch(() => {});
      return 0;
    }
  }

  #pause(ms: number | undefined): Promise<void> {
    const { clock, signal } = this.#options;
    return unlessAborted(signal, (resolve) => {
      const cancel = ms === undefined ? undefined : clock.after(ms, resolve);
      this.#notify = resolve;
      return () => {
        cancel?.();
        this.#notify = undefined;
      };
    });
  }
}
