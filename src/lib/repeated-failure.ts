import type { Clock } from './clock.ts';
import type { Log, LogFields } from './log.ts';

export interface RepeatedFailureOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Logged when the failure begins, for every new error, and as a reminder. */
  readonly sentence: string;
  /** Logged when the failure is over, with the number of failed attempts. */
  readonly over: string;
  readonly fields?: LogFields;
}

const REMIND_MS = 600_000;
/** Limit of distinct errors logged: errors that contain a port or an address may all differ. */
const MAX_ERRORS = 5;

/** Logs an action that is retried until it succeeds: once for each change, not once for each attempt. */
export class RepeatedFailure {
  readonly #options: RepeatedFailureOptions;
  readonly #errors = new Set<string>();
  #count = 0;
  #beganAtMs = 0;
  #saidAtMs = 0;

  constructor(options: RepeatedFailureOptions) {
    this.#options = options;
  }

  failed(error: string): void {
    const { clock, log, sentence, fields } = this.#options;
    const now = clock.monotonic();
    if (this.#count++ === 0) this.#beganAtMs = now;
    const isNew = !this.#errors.has(error) && this.#errors.size < MAX_ERRORS;
    if (!isNew && now - this.#saidAtMs < REMIND_MS) return;
    this.#errors.add(error);
    this.#saidAtMs = now;
    log.warn(sentence, { ...fields, error, ...(this.#count > 1 ? { failures: this.#count } : {}) });
  }

  /** Reports a success; cheap when nothing had failed. */
  succeeded(): void {
    if (this.#count === 0) return;
    const { clock, log, over, fields } = this.#options;
    const seconds = Math.round((clock.monotonic() - this.#beganAtMs) / 1000);
    log.info(over, { ...fields, failures: this.#count, seconds });
    this.#count = 0;
    this.#errors.clear();
  }
}
