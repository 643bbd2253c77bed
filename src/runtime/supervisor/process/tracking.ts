import type { Clock } from '../../../lib/index.ts';
import type { ProcessGroup, ProcessGroups } from './process-group.ts';
import { type InvocationCache, ProcessTable } from './process-table.ts';
import { isRunning, type ProcessId } from './procfs.ts';

/** The age, in milliseconds, up to which a reading of /proc is shared if no process has ended since. */
const MIN_AGE_MS = 20;

/**
 * Process groups for machines without control groups. A unit's processes are those that it is known to have started,
 * their descendants, all in the same session or process group, and all with the INVOCATION_ID of the unit's run. A
 * process escapes only if it leaves its session, outlives its parents unseen and clears its environment, all at once.
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

  /**
   * Calls `then` together with all others that arrive meanwhile; waits so long that readings take a fraction of the
   * time only.
   */
  batch(then: () => void): void {
    if (this.#batch.push(then) > 1) return;
    this.#clock.after(Math.max(1, 2 * (this.#done - this.#begun)), () => {
      const batch = this.#batch;
      this.#batch = [];
      for (const one of batch) one();
    });
  }

  /** Returns all processes as they were at some moment after `since`. */
  look(since: number): ProcessTable {
    // The longer a reading takes, the longer it is shared.
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
    // Leave out processes that have ended since: their pid may belong to another process by now.
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
