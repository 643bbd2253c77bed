import type { Context } from './context.ts';

/** A line on a terminal that says how many of many units are done; nothing for one unit, or when nobody watches. */
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

  /** Makes room for an ordinary line. */
  clear(): void {
    if (this.#onScreen === '') return;
    this.#onScreen = '';
    this.#context.io.raw.err('\r\x1b[K');
  }
}
