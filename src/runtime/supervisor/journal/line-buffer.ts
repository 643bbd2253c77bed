import { MAX_LINE_BYTES } from './record.ts';

const NEWLINE = 10;
const MIN_HELD_BYTES = 1024;

/**
 * Cuts a byte stream into payloads of whole lines, whose pieces are valid during the call only. Holds at most one
 * unfinished line, and allocates next to nothing however much comes in.
 */
export class LineBuffer {
  readonly #emit: (payload: readonly Buffer[]) => void;
  /** The unfinished line stands at the beginning. */
  #held = Buffer.alloc(0);
  #heldBytes = 0;

  constructor(emit: (payload: readonly Buffer[]) => void) {
    this.#emit = emit;
  }

  /** The caller may reuse `bytes` afterwards. */
  push(bytes: Buffer): void {
    const newline = bytes.lastIndexOf(NEWLINE);
    if (newline !== -1) this.#release(bytes.subarray(0, newline));
    this.#hold(bytes.subarray(newline + 1));
  }

  /** Passes on the last line if no newline ended it. */
  end(): void {
    if (this.#heldBytes > 0) this.#release(Buffer.alloc(0));
  }

  /** Passes on the held bytes together with `rest`. */
  #release(rest: Buffer): void {
    this.#emit(this.#heldBytes === 0 ? [rest] : [this.#held.subarray(0, this.#heldBytes), rest]);
    this.#heldBytes = 0;
  }

  #hold(bytes: Buffer): void {
    let rest = bytes;
    while (this.#heldBytes + rest.length > MAX_LINE_BYTES) {
      const room = MAX_LINE_BYTES - this.#heldBytes;
      this.#release(rest.subarray(0, room));
      rest = rest.subarray(room);
    }
    if (rest.length === 0) return;
    this.#grow(this.#heldBytes + rest.length);
    rest.copy(this.#held, this.#heldBytes);
    this.#heldBytes += rest.length;
  }

  #grow(bytes: number): void {
    if (bytes <= this.#held.length) return;
    const held = Buffer.allocUnsafeSlow(Math.min(MAX_LINE_BYTES, Math.max(MIN_HELD_BYTES, 2 * bytes)));
    this.#held.copy(held, 0, 0, this.#heldBytes);
    this.#held = held;
  }
}
