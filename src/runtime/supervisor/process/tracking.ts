import type { Clock } from '../../../lib/index.ts';
import type { ProcessGroup, ProcessGroups } from './process-group.ts';
import {
  isRunning,
  isZombie,
  listPids,
  type ProcessId,
  type ProcessStat,
  readEnvironment,
  readStat,
} from './procfs.ts';

/** How old a look at /proc may be when nothing has ended since: units that wait for their end share one. */
const MAX_AGE_MS = 20;

/**
 * Process groups where no control group may be made. A unit's processes are those it is known to have started, their
 * descendants, whoever shares a session or process group with one of them, and whoever carries the INVOCATION_ID of
 * the unit's run. What escapes: a process that leaves its session, outlives its parents unseen and wipes its
 * environment, all at once.
 */
export class ProcessTracking implements ProcessGroups {
  readonly kind = 'tracking';
  readonly #clock: Clock;
  #taken = Number.NEGATIVE_INFINITY;
  #snapshot: readonly ProcessStat[] = [];
  /** INVOCATION_ID by process, so that a process is asked once in its life. */
  #invocations = new Map<string, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  groupOf(_unit: string): ProcessGroup {
    return new TrackedGroup(this);
  }

  now(): number {
    return this.#clock.monotonic();
  }

  /** All processes as they were at some time after `since`. */
  look(since: number): readonly ProcessStat[] {
    if (this.#taken > since && this.now() - this.#taken < MAX_AGE_MS) return this.#snapshot;
    this.#taken = this.now();
    this.#snapshot = snapshotProcesses();
    this.#forgetEnded();
    return this.#snapshot;
  }

  invocationOf(stat: ProcessStat): string {
    const key = `${stat.pid} ${stat.startTime}`;
    let invocation = this.#invocations.get(key);
    if (invocation === undefined) {
      invocation = readInvocation(stat);
      this.#invocations.set(key, invocation);
    }
    return invocation;
  }

  #forgetEnded(): void {
    if (this.#invocations.size < 2 * this.#snapshot.length) return;
    const living = new Set(this.#snapshot.map(({ pid, startTime }) => `${pid} ${startTime}`));
    for (const key of this.#invocations.keys()) if (!living.has(key)) this.#invocations.delete(key);
  }
}

/** The INVOCATION_ID a process was started with; empty when it has none. */
export function readInvocation(stat: ProcessStat): string {
  return readEnvironment(stat.pid).get('INVOCATION_ID') ?? '';
}

/** All living processes but this one. */
export function snapshotProcesses(): readonly ProcessStat[] {
  return listPids().flatMap((pid) => {
    const stat = pid === process.pid ? undefined : readStat(pid);
    return stat === undefined || isZombie(stat) ? [] : [stat];
  });
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

  touch(): void {
    this.#since = this.#tracking.now();
  }

  open(invocationId: string): void {
    if (this.#tracked.size === 0) this.#invocations.clear();
    this.#invocations.add(invocationId);
  }

  members(known: readonly ProcessId[]): readonly number[] {
    for (const { pid, startTime } of known) this.#tracked.set(pid, startTime);
    if (this.#tracked.size === 0 && this.#invocations.size === 0) return [];
    // Who ended since the look was taken is nobody to be signalled: the pid may be another's by now.
    const all = this.#tracking.look(this.#since);
    const isOurs = (stat: ProcessStat) => this.#invocations.has(this.#tracking.invocationOf(stat));
    const found = findMembers(all, this.#tracked, isOurs).filter(isRunning);
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

/**
 * The processes in `all` that belong to a unit, given those tracked so far (pid → start time) and how to recognize an
 * orphan of it.
 */
export function findMembers(
  all: readonly ProcessStat[],
  tracked: ReadonlyMap<number, number>,
  isOurs: (orphan: ProcessStat) => boolean,
): readonly ProcessStat[] {
  const members = new Map<number, ProcessStat>();
  for (const stat of all) if (tracked.get(stat.pid) === stat.startTime) members.set(stat.pid, stat);
  addRelatives(all, members);
  // Only orphans are asked for their environment: all others are found through their parents.
  const ours = all.filter((stat) => !members.has(stat.pid) && isOrphan(stat) && isOurs(stat));
  for (const stat of ours) members.set(stat.pid, stat);
  if (ours.length > 0) addRelatives(all, members);
  return [...members.values()];
}

function isOrphan(stat: ProcessStat): boolean {
  return stat.ppid !== process.pid && stat.ppid !== 2 && stat.pid !== 2;
}

function addRelatives(all: readonly ProcessStat[], members: Map<number, ProcessStat>): void {
  for (let grown = true; grown; ) {
    grown = false;
    const sessions = new Set([...members.values()].flatMap((stat) => [stat.sid, stat.pgid]));
    for (const stat of all) {
      if (members.has(stat.pid)) continue;
      if (!members.has(stat.ppid) && !sessions.has(stat.sid) && !sessions.has(stat.pgid)) continue;
      members.set(stat.pid, stat);
      grown = true;
    }
  }
}
