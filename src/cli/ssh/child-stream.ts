import type { Socket } from 'node:net';
import { Duplex, type Readable, type Writable } from 'node:stream';
import type { FlotillaError } from '../../lib/index.ts';

/**
 * The input and output of a process as one stream that node:http takes for a connection. It ends only after the
 * process, so that its reader learns of a failure instead of a mere end.
 */
export class ChildStream extends Duplex {
  readonly #in: Writable;
  readonly #out: Readable;

  constructor(input: Writable, output: Readable, failure: Promise<FlotillaError | undefined>) {
    super();
    this.#in = input;
    this.#out = output;
    output.on('data', (chunk) => {
      if (!this.push(chunk)) output.pause();
    });
    output.on('timeout', () => this.emit('timeout'));
    // The end of the process carries the reason.
    input.on('error', () => {});
    failure.then(
      (error) => (error ? this.destroy(error) : this.push(null)),
      (error: Error) => this.destroy(error),
    );
  }

  /** As net.Socket#setTimeout: `timeout` is emitted after so long without data; 0 removes the listener. */
  readonly setTimeout = (ms: number, listener?: () => void): this => {
    if (listener) ms === 0 ? this.off('timeout', listener) : this.once('timeout', listener);
    // Node gives processes' pipes as sockets.
    (this.#out as Socket).setTimeout(ms);
    return this;
  };

  // Does nothing: node:http calls it on every connection.
  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    this.#out.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#in.write(chunk, () => done());
  }

  override _final(done: () => void): void {
    this.#in.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#in.destroy();
    this.#out.destroy();
    done(error);
  }
}
