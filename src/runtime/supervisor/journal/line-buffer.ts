import { MAX_LINE_BYTES } from './record.ts';

const NEWLINE = 10;

/** Turns a stream of bytes into payloads of whole lines; holds back at most one line that has not ended. */
export class LineBuffer {
  readonly #emit: (payload: Buffer) => void;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(emit: (payload: Buffer) => void) {
    this.#emit = emit;
  }

  /** `bytes` may be reused by the caller afterwards. */
  push(bytes: Buffer): void {
    const newline = bytes.lastIndexOf(NEWLINE);
    if (newline === -1) {
      this.#hold(bytes);
      return;
    }
    const lines = bytes.subarray(0, newline);
    this.#emit(this.#pendingBytes === 0 ? lines : Buffer.concat([...this.#pending, lines]));
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#hold(bytes.subarray(newline + 1));
  }

  /** The last line, which no newline ended. */
  end(): void {
    if (this.#pendingBytes > 0) this.#emit(Buffer.concat(this.#pending));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pending.push(Buffer.from(bytes));
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes < MAX_LINE_BYTES && this.#pending.length < 1000) return;
    const all = Buffer.concat(this.#pending);
    const whole = all.length - (all.length % MAX_LINE_BYTES);
    for (let at = 0; at < whole; at += MAX_LINE_BYTES) this.#emit(all.subarray(at, at + MAX_LINE_BYTES));
    this.#pending = whole === all.length ? [] : [all.subarray(whole)];
    this.#pendingBytes = all.length - whole;
  }
}
