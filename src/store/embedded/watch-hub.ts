import type { Clock } from '../../lib/index.ts';
import type { Commit } from './commit-queue.ts';
import type { Keyspace } from './keyspace.ts';
import type { WatchStream } from './watch-stream.ts';

export interface WatchHubOptions {
  readonly keyspace: Keyspace;
  readonly clock: Clock;
  /** How often watches that asked for it hear how far the store has got though nothing concerned them. */
  readonly progressIntervalMs: number;
  /** The header of everything sent. */
  header(revision: number): { readonly revision: number };
}

/** Tells the watch streams of every commit. */
export class WatchHub {
  readonly options: WatchHubOptions;
  readonly #streams = new Set<WatchStream>();
  /** Every commit up to this revision was given to all streams. */
  published: number;
  #notifying: (() => void) | undefined;

  constructor(options: WatchHubOptions) {
    this.options = options;
    this.published = options.keyspace.revision();
  }

  add(stream: WatchStream): void {
    this.#streams.add(stream);
  }

  remove(stream: WatchStream): void {
    this.#streams.delete(stream);
  }

  publish(commits: readonly Commit[]): void {
    this.published = commits.at(-1)!.revision;
    for (const stream of this.#streams) stream.publish(commits);
    this.#notifying ??= this.options.clock.after(this.options.progressIntervalMs, () => {
      this.#notifying = undefined;
      for (const stream of this.#streams) stream.notifyProgress();
    });
  }

  close(): void {
    this.#notifying?.();
  }
}
