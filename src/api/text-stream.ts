export interface TextStreamOptions {
  /** Called once at the end, also when it came because the client hung up: stop the source. */
  readonly end: () => void;
  /** The source ended: what to write after it, if anything. */
  readonly last?: () => string;
  /** The source failed: what to write as its last words. A body cannot end in an error that a client would see. */
  readonly broken: (error: unknown) => string;
}

type Piece = string | Uint8Array;

/**
 * A body that takes from `source` only as fast as the client reads. `first` is the source's first result, asked for
 * already.
 */
export function textStream(
  source: AsyncIterator<Piece>,
  first: Promise<IteratorResult<Piece>>,
  options: TextStreamOptions,
): ReadableStream<Uint8Array> {
  let next: Promise<IteratorResult<Piece>> | undefined = first;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let words: string;
        try {
          const { done, value } = await (next ?? source.next());
          next = undefined;
          if (!done) return controller.enqueue(typeof value === 'string' ? Buffer.from(value) : value);
          words = options.last?.() ?? '';
        } catch (error) {
          words = options.broken(error);
        }
        if (words !== '') controller.enqueue(Buffer.from(words));
        controller.close();
        options.end();
      },
      async cancel() {
        options.end();
        await source.return?.().catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}
