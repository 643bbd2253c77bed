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

/** Longest time for which telling watches holds the event loop. */
const TURN_MS = 20;

/** Tells the watch streams of every commit. */
export class WatchHub {
  readonly options: WatchHubOptions;
  readonly #streams = new Set<WatchStream>();
  /** Every commit up to this revision was given to all streams. */
  published: number;
  #feedings: (() => void)[] = [];
  #isFeeding = false;
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
    const hasTime = this.#timer();
    for (const stream of this.#streams) stream.publish(commits, hasTime);
    this.#notifying ??= this.options.clock.after(this.options.progressIntervalMs, () => {
      this.#notifying = undefined;
      for (const stream of this.#streams) stream.notifyProgress();
    });
  }

  /** Runs `feed` when its turn comes, the streams one after the other and never too many at a time. */
  queueFeeding(feed: () => void): void {
    this.#feedings.push(feed);
    if (!this.#isFeeding) this.#feedSoon();
  }

  #feedSoon(): void {
    this.#isFeeding = true;
    this.options.clock.after(0, () => {
      const hasTime = this.#timer();
      const due = this.#feedings;
      this.#feedings = [];
      let at = 0;
      while (at < due.length && (at === 0 || hasTime())) due[at++]!();
      this.#feedings = [...due.slice(at), ...this.#feedings];
      if (this.#feedings.length > 0) this.#feedSoon();
      else this.#isFeeding = false;
    });
  }

  #timer(): () => boolean {
    const { clock } = this.options;
    const untilMs = clock.monotonic() + TURN_MS;
    return () => clock.monotonic() < untilMs;
  }

  close(): void {
    this.#notifying?.();
  }
}
