import type { WatchBatch } from './store.ts';

const FULL = 64;

/** Queues batches for one consumer that takes them at its own pace. */
export class BatchQueue implements AsyncIterator<WatchBatch> {
  #batches: WatchBatch[] = [];
  #ended = false;
  #failure: unknown;
  #wake: () => void = () => {};
  /** Called when there is room again after `full`. */
  onRoom: () => void = () => {};
  /** Called when the consumer stops. */
  onReturn: () => void = () => {};

  get full(): boolean {
    return this.#batches.length >= FULL;
  }

  push(batch: WatchBatch): void {
    if (this.#ended) return;
    const last = this.#batches.at(-1);
    // Replace an empty batch, which only states a revision: the next batch states a later one.
    if (last && last.events.length === 0) this.#batches.pop();
    this.#batches.push(batch);
    this.#wake();
  }

  /** Ends the queue: the consumer gets the waiting batches, then the end, or `failure` as an exception. */
  end(failure?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#wake();
  }

  async next(): Promise<IteratorResult<WatchBatch>> {
    for (;;) {
      const batch = this.#batches.shift();
      if (batch) {
        if (this.#batches.length === FULL / 2) this.onRoom();
        return { done: false, value: batch };
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<WatchBatch>> {
    this.#batches = [];
    this.end();
    this.onReturn();
    return { done: true, value: undefined };
  }
}
