import { readdirSync, readFileSync } from 'node:fs';

/** A process and no other: a pid is reused, a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot (field 22 of /proc/PID/stat). */
  readonly startTime: number;
}

/** The identity of a running process, or undefined when there is none (a zombie counts as none). */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name may hold blanks and brackets; fields are counted after its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : { pid, startTime: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

export function isAlive(target: ProcessIdentity | undefined): boolean {
  return target !== undefined && target.pid > 0 && identify(target.pid)?.startTime === target.startTime;
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

/** Running processes that were started with exactly this argument. */
export function processesWithArgument(argument: string): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && readArguments(name).includes(argument))
    .flatMap((name) => identify(Number(name)) ?? []);
}

function readArguments(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Differs after each start of the computer: no process of an earlier boot can still run. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
