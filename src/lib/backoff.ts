import type { Random } from './random.ts';

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Delays that double from `minMs` to `maxMs`, each spread over ±25 % so that a cluster which lost the same thing at
 * the same moment does not come back for it at the same moment.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #attempt = 0;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** Milliseconds to wait before the next try. */
  next(): number {
    const { minMs, maxMs } = this.#options;
    const base = Math.min(maxMs, minMs * 2 ** Math.min(this.#attempt++, 30));
    return base * (0.75 + this.#random.float() / 2);
  }

  reset(): void {
    this.#attempt = 0;
  }
}
