import type { Clock } from '../lib/index.ts';

export interface TextStreamOptions {
  /** Called at the end, also when it came because the client hung up: stop the source. */
  readonly end: () => void;
  /** The source ended: what to write after it, if anything. */
  readonly last?: () => string;
  /** The source failed: what to write as its last words. A body cannot end in an error that a client would see. */
  readonly broken: (error: unknown) => string;
  /** How far the source is read ahead of the client, in bytes; 0: by one piece. */
  readonly aheadBytes: number;
  readonly clock: Clock;
}

type Piece = string | Uint8Array;

const GATHER_MS = 1;

/**
 * A body that takes from `source` only as fast as the client reads. `first` is the source's first result, asked for
 * already.
 */
export function textStream(
  source: AsyncIterator<Piece>,
  first: Promise<IteratorResult<Piece>>,
  options: TextStreamOptions,
): ReadableStream<Uint8Array> {
  const pump = new Pump(source, options);
  void pump.run(first);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await pump.take();
        if (bytes !== undefined) return controller.enqueue(bytes);
        controller.close();
        options.end();
      },
      cancel: () => pump.stop(),
    },
    { highWaterMark: 0 },
  );
}

/** Moves pieces from the source into a bounded buffer: a piece at a time through the sockets is slow for a long log. */
class Pump {
  readonly #source: AsyncIterator<Piece>;
  readonly #options: TextStreamOptions;
  #pieces: Uint8Array[] = [];
  #sizeBytes = 0;
  #ended = false;
  #wakeTaker: () => void = () => {};
  #wakeSource: () => void = () => {};

  constructor(source: AsyncIterator<Piece>, options: TextStreamOptions) {
    this.#source = source;
    this.#options = options;
  }

  async run(first: Promise<IteratorResult<Piece>>): Promise<void> {
    try {
      for (let result = await first; !result.done; result = await this.#source.next()) {
        this.#add(result.value);
        if (this.#sizeBytes > this.#options.aheadBytes) await this.#taken();
        if (this.#ended) return;
      }
      this.#add(this.#options.last?.() ?? '');
    } catch (error) {
      this.#add(this.#options.broken(error));
    }
    this.#ended = true;
    this.#wakeTaker();
  }

  /** What has come since the last call, waiting for something; undefined at the end. */
  async take(): Promise<Uint8Array | undefined> {
    if (this.#sizeBytes === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wakeTaker = resolve;
      });
      // What the source has at hand comes along.
      if (this.#options.aheadBytes > 0) await this.#options.clock.sleep(GATHER_MS);
    }
    if (this.#sizeBytes === 0) return undefined;
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#sizeBytes = 0;
    this.#wakeSource();
    return bytes;
  }

  /** Nobody takes any more. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#options.end();
    this.#wakeSource();
    this.#wakeTaker();
    await this.#source.return?.().catch(() => {});
  }

  #add(piece: Piece): void {
    if (piece.length === 0) return;
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    this.#pieces.push(bytes);
    this.#sizeBytes += bytes.byteLength;
    this.#wakeTaker();
  }

  #taken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeSource = resolve;
    });
  }
}
