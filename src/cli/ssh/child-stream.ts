import type { Socket } from 'node:net';
import { Duplex, type Readable, type Writable } from 'node:stream';
import type { FlotillaError } from '../../lib/index.ts';

/**
 * A process's input and output as one stream that HTTP takes for a connection. It ends only when the process has, so that
 * whoever reads learns of a failure as such, and not of a mere end.
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
    // Why nothing can be written any more is told by how the process ends.
    input.on('error', () => {});
    failure.then(
      (error) => (error ? this.destroy(error) : this.push(null)),
      (error: Error) => this.destroy(error),
    );
  }

  /** As a socket's: `timeout` is emitted when nothing has come for so long; 0 takes the listener back. */
  readonly setTimeout = (ms: number, listener?: () => void): this => {
    if (listener) ms === 0 ? this.off('timeout', listener) : this.once('timeout', listener);
    // A pipe of a process is a socket, to Node.
    (this.#out as Socket).setTimeout(ms);
    return this;
  };

  // What is asked of a TCP connection means nothing here.
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
