import { readFileSync } from 'node:fs';

/** One process as /proc/PID/stat shows it. */
export interface ProcessStat {
  readonly pid: number;
  /** The program's name, cut to 15 characters by the kernel. */
  readonly comm: string;
  readonly state: string;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  /** Threads that have not ended. */
  readonly threads: number;
  /** Clock ticks from boot to its start: with the pid it names one process for the whole life of the boot. */
  readonly startTime: number;
}

/** A process that can be told from a later one with the same pid. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: number;
}

/** The process's stat, or undefined when there is none. */
export function readStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name stands in parentheses and may itself hold blanks and parentheses.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  return {
    pid,
    comm: text.slice(open + 1, close),
    state: fields[0]!,
    ppid: Number(fields[1]),
    pgid: Number(fields[2]),
    sid: Number(fields[3]),
    threads: Number(fields[17]),
    startTime: Number(fields[19]),
  };
}

/** False for a zombie too: it only waits for somebody to read its exit status. */
export function isRunning(id: ProcessId): boolean {
  const stat = readStat(id.pid);
  return stat !== undefined && stat.startTime === id.startTime && !isZombie(stat);
}

/**
 * True when it has ended, and only waits for somebody to read its exit status. A process whose first thread alone has ended
 * looks the same, but lives on, with its files and ports.
 */
export function isZombie({ state, threads }: ProcessStat): boolean {
  return state === 'X' || (state === 'Z' && threads <= 1);
}
