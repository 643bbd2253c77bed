import type { Clock } from '../../../lib/index.ts';
import type { ProcessGroup, ProcessGroups } from './process-group.ts';
import { type InvocationCache, ProcessTable } from './process-table.ts';
import { isRunning, type ProcessId } from './procfs.ts';

/** How old a look at /proc may be at least, if nothing has ended since: units that wait for their end share one. */
const MIN_AGE_MS = 20;

/**
 * Process groups where no control group may be made. A unit's processes are those it is known to have started, their
 * descendants, whoever shares a session or process group with one of them, and whoever carries the INVOCATION_ID of
 * the unit's run. What escapes: a process that leaves its session, outlives its parents unseen and wipes its
 * environment, all at once.
 */
export class ProcessTracking implements ProcessGroups {
  readonly kind = 'tracking';
  readonly #clock: Clock;
  readonly #invocations: InvocationCache = new Map();
  #table: ProcessTable | undefined;
  #begun = 0;
  #done = 0;
  #batch: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  groupOf(_unit: string): ProcessGroup {
    return new TrackedGroup(this);
  }

  now(): number {
    return this.#clock.monotonic();
  }

  /** Calls `then` together with all others that came in meanwhile: long enough that looks cost a part of the time only. */
  batch(then: () => void): void {
    if (this.#batch.push(then) > 1) return;
    this.#clock.after(Math.max(1, 2 * (this.#done - this.#begun)), () => {
      const batch = this.#batch;
      this.#batch = [];
      for (const one of batch) one();
    });
  }

  /** All processes as they were at some time after `since`. */
  look(since: number): ProcessTable {
    // The dearer a look is, the longer it has to serve.
    const maxAgeMs = Math.max(MIN_AGE_MS, 4 * (this.#done - this.#begun));
    if (this.#table !== undefined && this.#begun > since && this.now() - this.#done < maxAgeMs) return this.#table;
    this.#begun = this.now();
    this.#table = new ProcessTable(this.#invocations);
    this.#done = this.now();
    return this.#table;
  }
}

class TrackedGroup implements ProcessGroup {
  readonly #tracking: ProcessTracking;
  readonly #invocations = new Set<string>();
  #tracked = new Map<number, number>();
  #since: number;

  constructor(tracking: ProcessTracking) {
    this.#tracking = tracking;
    this.#since = tracking.now();
  }

  afterEnd(then: () => void): void {
    this.#since = this.#tracking.now();
    this.#tracking.batch(then);
  }

  open(invocationId: string): void {
    if (this.#tracked.size === 0) this.#invocations.clear();
    this.#invocations.add(invocationId);
  }

  members(known: readonly ProcessId[]): readonly number[] {
    for (const { pid, startTime } of known) this.#tracked.set(pid, startTime);
    if (this.#tracked.size === 0 && this.#invocations.size === 0) return [];
    // Who ended since the look was taken is nobody to be signalled: the pid may be another's by now.
    const found = this.#tracking.look(this.#since).members(this.#tracked, this.#invocations).filter(isRunning);
    this.#tracked = new Map(found.map((stat) => [stat.pid, stat.startTime]));
    return found.map((stat) => stat.pid);
  }

  killAll(): boolean {
    return false;
  }

  remove(): void {
    this.#tracked.clear();
    this.#invocations.clear();
  }
}
