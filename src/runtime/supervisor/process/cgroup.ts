import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ProcessGroup, ProcessGroups } from './process-group.ts';

/**
 * The control group (v2) of one state directory: a child group for each unit, and one for the supervisor itself, so
 * that one write kills the whole machine.
 */
export class CgroupTree implements ProcessGroups {
  readonly kind = 'cgroup';
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  groupOf(unit: string): ProcessGroup {
    return new UnitCgroup(join(this.#path, cgroupName(unit)));
  }

  /** Moves a process out of the group of the process that started it. */
  adoptSupervisor(pid: number): void {
    const path = join(this.#path, SUPERVISOR_GROUP);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'cgroup.procs'), String(pid));
  }
}

/** Removes an empty tree; groups with members stay. */
export function leaveCgroupTree(directory: string): void {
  const path = cgroupPathOf(directory);
  if (path === undefined || !existsSync(path)) return;
  try {
    writeFileSync(join(path, '..', 'cgroup.procs'), String(process.pid));
  } catch {
    return;
  }
  removeCgroup(path);
}

// A unit's name always contains a dot, so that no unit has this one.
const SUPERVISOR_GROUP = 'supervisor';

class UnitCgroup implements ProcessGroup {
  readonly cgroup: string;
  readonly entry: string;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.cgroup = path;
    this.entry = join(path, 'cgroup.procs');
  }

  open(): void {
    mkdirSync(this.#path, { recursive: true });
  }

  members(): readonly number[] {
    return readMembers(this.#path);
  }

  afterEnd(then: () => void): void {
    setImmediate(then);
  }

  killAll(): boolean {
    return killCgroup(this.#path);
  }

  remove(): void {
    removeCgroup(this.#path);
  }
}

/** Lists the pids in a group and in the groups below it, which containers and shells of a unit may have made. */
function readMembers(path: string): number[] {
  try {
    const own = readFileSync(join(path, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number);
    return [...own, ...childGroups(path).flatMap(readMembers)];
  } catch {
    return [];
  }
}

function childGroups(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));
}

function killCgroup(path: string): boolean {
  try {
    writeFileSync(join(path, 'cgroup.kill'), '1');
    return true;
  } catch {
    return false;
  }
}

/** Returns false while the group has members, even exiting ones. */
function removeCgroup(path: string): boolean {
  try {
    for (const child of childGroups(path)) removeCgroup(child);
    rmdirSync(path);
    return true;
  } catch {
    return !existsSync(path);
  }
}

/** Returns the path of a state directory's control group, which need not exist; undefined without a cgroup2 mount. */
export function cgroupPathOf(directory: string): string | undefined {
  const mount = cgroup2Mount();
  if (mount === undefined) return undefined;
  const unique = createHash('sha256').update(realpathSync(directory)).digest('hex').slice(0, 12);
  return join(mount, `flotilla-${unique}`);
}

/**
 * Lists the units of a state directory whose control groups have processes. A long name is shortened as its file is.
 */
export function populatedCgroups(directory: string): readonly string[] {
  const path = cgroupPathOf(directory);
  if (path === undefined || !existsSync(path)) return [];
  const groups = childGroups(path).filter((group) => basename(group) !== SUPERVISOR_GROUP);
  return groups.filter((group) => readMembers(group).length > 0).map((group) => basename(group));
}

/** Opens the control groups of a state directory; undefined when this process may not create any. */
export function openCgroupTree(directory: string): CgroupTree | undefined {
  const path = cgroupPathOf(directory);
  if (path === undefined) return undefined;
  try {
    mkdirSync(path, { recursive: true });
    const tree = new CgroupTree(path);
    tree.adoptSupervisor(process.pid);
    return tree;
  } catch {
    return undefined;
  }
}

/** Sends SIGKILL to all processes in a state directory's control group, the supervisor too; returns their pids. */
export function killCgroupTree(path: string): readonly number[] {
  if (!existsSync(path)) return [];
  const members = readMembers(path);
  if (!killCgroup(path)) for (const pid of members) killQuietly(pid);
  return members;
}

export { readMembers as cgroupMembers, removeCgroup };

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

function cgroup2Mount(): string | undefined {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before, after] = line.split(' - ');
    if (after?.startsWith('cgroup2 ')) return before!.split(' ')[4]!.replace(/\\040/g, ' ');
  }
  return undefined;
}

function cgroupName(unit: string): string {
  return unit.length <= 200 ? unit : `${createHash('sha256').update(unit).digest('hex')}.long`;
}
