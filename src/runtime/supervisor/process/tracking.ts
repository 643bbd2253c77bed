import type { Clock } from '../../../lib/index.ts';
import type { ProcessGroup, ProcessGroups } from './process-group.ts';
import { isZombie, listPids, type ProcessId, type ProcessStat, readEnvironment, readStat } from './procfs.ts';

/** How old a look at /proc may be: units that end together share one. */
const MAX_AGE_MS = 2;

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

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  groupOf(_unit: string): ProcessGroup {
    return new TrackedGroup(() => this.#look());
  }

  #look(): readonly ProcessStat[] {
    const now = this.#clock.monotonic();
    if (now - this.#taken > MAX_AGE_MS) {
      this.#snapshot = snapshotProcesses();
      this.#taken = this.#clock.monotonic();
    }
    return this.#snapshot;
  }
}

/** All living processes but this one. */
export function snapshotProcesses(): readonly ProcessStat[] {
  return listPids().flatMap((pid) => {
    const stat = pid === process.pid ? undefined : readStat(pid);
    return stat === undefined || isZombie(stat) ? [] : [stat];
  });
}

class TrackedGroup implements ProcessGroup {
  readonly #look: () => readonly ProcessStat[];
  readonly #invocations = new Set<string>();
  #tracked = new Map<number, number>();

  constructor(look: () => readonly ProcessStat[]) {
    this.#look = look;
  }

  open(invocationId: string): void {
    this.#invocations.add(invocationId);
  }

  members(known: readonly ProcessId[]): readonly number[] {
    for (const { pid, startTime } of known) this.#tracked.set(pid, startTime);
    const found = findMembers(this.#look(), this.#tracked, this.#invocations);
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

/** The processes in `all` that belong to a unit, given those tracked so far (pid → start time). */
export function findMembers(
  all: readonly ProcessStat[],
  tracked: ReadonlyMap<number, number>,
  invocations: ReadonlySet<string>,
): readonly ProcessStat[] {
  const members = new Map<number, ProcessStat>();
  for (const stat of all) if (tracked.get(stat.pid) === stat.startTime) members.set(stat.pid, stat);
  addRelatives(all, members);
  // Only orphans are asked for their environment: all others are found through their parents.
  const orphans = all.filter((stat) => !members.has(stat.pid) && isOrphan(stat));
  const ours = orphans.filter((stat) => invocations.has(readEnvironment(stat.pid).get('INVOCATION_ID') ?? ''));
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
