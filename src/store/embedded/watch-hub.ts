import type { Clock } from '../../lib/index.ts';
import type { Commit } from './commit-queue.ts';
import type { Keyspace } from './keyspace.ts';

export interface WatchHubOptions {
  readonly keyspace: Keyspace;
  readonly clock: Clock;
  /** Interval at which idle watches that asked for it learn how far the store has got. */
  readonly progressIntervalMs: number;
  /** Makes the header of every message. */
  header(revision: number): { readonly revision: number };
}

/** Whoever hears of every commit: a WatchStream. */
export interface CommitListener {
  /** While `hasTime` is false it puts off what it can. */
  publish(commits: readonly Commit[], hasTime: () => boolean): void;
  notifyProgress(): void;
}

/** Limit of the time for which sending to watches holds the event loop. */
const TURN_MS = 20;

/** Passes every commit to the watch streams. */
export class WatchHub {
  readonly options: WatchHubOptions;
  readonly #streams = new Set<CommitListener>();
  /** The revision up to which every commit was passed to all streams. */
  published: number;
  #feedings: (() => void)[] = [];
  #isFeeding = false;
  #notifying: (() => void) | undefined;

  constructor(options: WatchHubOptions) {
    this.options = options;
    this.published = options.keyspace.revision();
  }

  add(stream: CommitListener): void {
    this.#streams.add(stream);
  }

  remove(stream: CommitListener): void {
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

  /** Runs `feed` when its turn comes: streams take turns, and never too many at a time. */
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
