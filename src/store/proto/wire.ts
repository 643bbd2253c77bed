/** Writes the protobuf wire format into one growing buffer. */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  /** Returns the bytes written so far; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Writes a non-negative integer up to 2^53. */
  varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  /** Writes an int64 or uint64; negative numbers take ten bytes. */
  varint64(value: bigint): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.#buffer[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#length++] = Number(rest);
  }

  /** Writes bytes behind their length. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  text(value: string): void {
    const size = Buffer.byteLength(value);
    this.varint(size);
    this.#reserve(size);
    this.#length += this.#buffer.write(value, this.#length);
  }

  /** Writes the output of `write` behind its length. */
  nested(write: () => void): void {
    this.#reserve(1);
    const start = ++this.#length;
    write();
    const size = this.#length - start;
    const extra = varintSize(size) - 1;
    if (extra > 0) {
      this.#reserve(extra);
      this.#buffer.copyWithin(start + extra, start, this.#length);
    }
    this.#length = start - 1;
    this.varint(size);
    this.#length += size;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/**
 * Limit of nesting, far from the end of the stack and from any sensible request: each nested transaction takes two
 * levels.
 */
const MAX_DEPTH = 1000;

/** Reads the protobuf wire format; throws RangeError when the bytes end too early. */
export class WireReader {
  readonly #buffer: Buffer;
  /** The number of messages around this one. */
  readonly depth: number;
  #at = 0;

  constructor(bytes: Uint8Array, depth = 0) {
    if (depth > MAX_DEPTH) throw new RangeError(`the message has more than ${MAX_DEPTH} levels`);
    this.depth = depth;
    this.#buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get done(): boolean {
    return this.#at >= this.#buffer.length;
  }

  /** Reads a varint as a number; exact within ±2^53. */
  varint(): number {
    const start = this.#at;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 7; count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    this.#at = start;
    return Number(BigInt.asIntN(64, this.varint64()));
  }

  /** Reads a varint as an unsigned 64-bit number. */
  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError('a number in the message is too long');
  }

  /** Returns a view of the message's own memory. */
  bytes(): Buffer {
    const size = this.varint();
    const end = this.#at + size;
    if (size < 0 || end > this.#buffer.length) throw new RangeError('the message is cut off');
    const value = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  /** Skips a field of this wire type. */
  skip(wireType: number): void {
    if (wireType === 0) this.varint64();
    else if (wireType === 2) this.bytes();
    else if (wireType === 1) this.#at += 8;
    else if (wireType === 5) this.#at += 4;
    else throw new RangeError(`the message has a field of unknown wire type ${wireType}`);
    if (this.#at > this.#buffer.length) throw new RangeError('the message is cut off');
  }

  #byte(): number {
    const byte = this.#buffer[this.#at++];
    if (byte === undefined) throw new RangeError('the message is cut off');
    return byte;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}
