import { linkSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { FlotillaError, isZombie, readStat, readStateFile } from '../../lib/index.ts';

/** The holder of a lock: a process of this boot. */
interface Owner {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
}

/**
 * Takes the lock file for this process; returns a function that releases it. Takes a lock over whose process has ended.
 * Throws FlotillaError `conflict` that names the holder, `damaged` when something other than a file stands there.
 */
export function lockFile(path: string, what: string): () => void {
  const own: Owner = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', bootId: bootId() };
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(own));
  try {
    while (!link(temporary, path)) {
      assertFile(path);
      const owner = readOwner(path);
      if (owner && isAlive(owner)) {
        throw new FlotillaError('conflict', `${what} is in use by process ${owner.pid}; stop that process first`, {
          pid: owner.pid,
        });
      }
      if (owner) removeStale(path, owner);
    }
  } finally {
    rmSync(temporary, { force: true });
  }
  return () => {
    const owner = readOwner(path);
    if (owner && sameOwner(owner, own)) rmSync(path, { force: true });
  };
}

/** A dangling symbolic link looks like a free lock, and cannot be replaced by one. */
function assertFile(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== false) return;
  throw new FlotillaError('damaged', `${path} is no file, so nobody can hold it as a lock: remove it`);
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the stale lock, unless another process was faster and the lock is its own by now. */
function removeStale(path: string, stale: Owner): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  const taken = readOwner(aside);
  if (taken && !sameOwner(taken, stale)) link(aside, path);
  rmSync(aside, { force: true });
}

function readOwner(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(readStateFile(path)) as Partial<Owner> | null;
    if (owner === null) return NOBODY;
    return { pid: Number(owner.pid), startTime: String(owner.startTime), bootId: String(owner.bootId) };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    // Any other error than the system's is damage: a lock emptied by a loss of power has no holder.
    if (codeOf(error) === undefined) return NOBODY;
    throw error;
  }
}

const NOBODY: Owner = { pid: 0, startTime: '', bootId: '' };

function isAlive(owner: Owner): boolean {
  return owner.bootId === bootId() && startTimeOf(owner.pid) === owner.startTime;
}

function sameOwner(a: Owner, b: Owner): boolean {
  return a.pid === b.pid && a.startTime === b.startTime && a.bootId === b.bootId;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Returns the start time of a process in clock ticks since boot; undefined when it does not exist. */
function startTimeOf(pid: number): string | undefined {
  const stat = readStat(pid);
  return stat === undefined || isZombie(stat) ? undefined : String(stat.startTime);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
