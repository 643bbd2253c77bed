import { readdirSync, readFileSync } from 'node:fs';
import { isZombie, readStat } from '../lib/index.ts';

/** Identifies one process: a pid is reused, a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot (field 22 of /proc/PID/stat). */
  readonly startTime: number;
}

/** A running process and its parent. */
interface Running extends ProcessIdentity {
  readonly parent: number;
}

/** Returns a running process; undefined when there is none (a zombie counts as none). */
export function identify(pid: number): ProcessIdentity | undefined {
  const running = readProcess(pid);
  return running && { pid, startTime: running.startTime };
}

/** Lists all running processes. */
export function allProcesses(): Running[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
}

/** Returns the arguments of a process; none when it has ended. */
export function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function readProcess(pid: number): Running | undefined {
  const stat = readStat(pid);
  return stat === undefined || isZombie(stat) ? undefined : { pid, parent: stat.ppid, startTime: stat.startTime };
}

/** False for anything that a damaged file holds in the place of a process. */
export function isAlive(target: ProcessIdentity | null | undefined): boolean {
  return target?.pid !== undefined && target.pid > 0 && identify(target.pid)?.startTime === target.startTime;
}

/** Sends the signal if that very process still runs. */
export function signalProcess(target: ProcessIdentity | undefined, signal: NodeJS.Signals): void {
  if (target === undefined || !isAlive(target)) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Differs after each start of the computer: no process of an earlier boot can still run. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
