import type { Context } from './context.ts';

/** A terminal line that counts the finished units; prints nothing for a single unit, or without a terminal. */
export class Progress {
  readonly #context: Context;
  readonly #total: number;
  readonly #shown: boolean;
  #onScreen = '';

  constructor(context: Context, total: number) {
    this.#context = context;
    this.#total = total;
    this.#shown = total > 1 && context.io.errIsTerminal();
  }

  show(done: number): void {
    if (!this.#shown || done >= this.#total) return;
    const line = `${done} of ${this.#total} units there`;
    if (line === this.#onScreen) return;
    this.#onScreen = line;
    this.#context.io.raw.err(`\r\x1b[K${line}`);
  }

  /** Clears the line, for ordinary output. */
  clear(): void {
    if (this.#onScreen === '') return;
    this.#onScreen = '';
    this.#context.io.raw.err('\r\x1b[K');
  }
}
