import { GrpcError, STATUS } from './status.ts';

const HEADER_BYTES = 5;

/** Prefixes a message for gRPC: the byte "not compressed" and the length. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEADER_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, HEADER_BYTES);
  return framed;
}

/** Splits a byte stream into its framed messages. */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #needed = HEADER_BYTES;

  /** Longer messages than `maxBytes` are refused. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True between two messages. */
  get empty(): boolean {
    return this.#buffered === 0;
  }

  /** Returns the messages that this chunk completes. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const messages: Buffer[] = [];
    while (this.#buffered >= this.#needed) {
      const joined = this.#join();
      const size = this.#messageBytes(joined);
      this.#needed = HEADER_BYTES + size;
      if (joined.length < this.#needed) break;
      messages.push(joined.subarray(HEADER_BYTES, this.#needed));
      this.#chunks = joined.length === this.#needed ? [] : [joined.subarray(this.#needed)];
      this.#buffered -= this.#needed;
      this.#needed = HEADER_BYTES;
    }
    return messages;
  }

  #join(): Buffer {
    const joined = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }

  #messageBytes(joined: Buffer): number {
    if (joined[0] !== 0) throw new GrpcError(STATUS.unimplemented, 'compressed messages are not supported');
    const size = joined.readUInt32BE(1);
    if (size > this.#maxBytes) {
      const what = `a message of ${size} bytes is larger than the ${this.#maxBytes} bytes allowed`;
      throw new GrpcError(STATUS.resourceExhausted, what);
    }
    return size;
  }
}
