import { readFileSync } from 'node:fs';

/** One process as read from /proc/PID/stat (proc_pid_stat(5)). */
export interface ProcessStat {
  readonly pid: number;
  /** The program's name, cut to 15 characters by the kernel. */
  readonly comm: string;
  readonly state: string;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  /** The number of threads that have not ended. */
  readonly threads: number;
  /**
   * Clock ticks from boot to the start of the process; together with the pid it identifies one process of this boot.
   */
  readonly startTime: number;
}

/** Identifies a process; a later process with the same pid has another start time. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: number;
}

/** Reads the stat of a process; undefined when the process does not exist. */
export function readStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name stands in parentheses and may contain blanks and parentheses.
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

/** True while the process runs; a zombie does not run. */
export function isRunning(id: ProcessId): boolean {
  const stat = readStat(id.pid);
  return stat !== undefined && stat.startTime === id.startTime && !isZombie(stat);
}

/**
 * True when the process has ended and waits for its parent to read the exit status. A process in state Z with other
 * threads left lives on, with its files and ports.
 */
export function isZombie({ state, threads }: ProcessStat): boolean {
  return state === 'X' || (state === 'Z' && threads <= 1);
}
