import { readdirSync, readFileSync } from 'node:fs';
import { readStat, trimEnd } from '../../../lib/index.ts';

export { isRunning, isZombie, type ProcessId, type ProcessStat, readStat } from '../../../lib/index.ts';

export function listPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Returns the command line, arguments joined by blanks; `[name]` when it is empty. */
export function readCommandLine(pid: number): string | undefined {
  try {
    const text = trimEnd(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '\0').replaceAll('\0', ' ');
    return text || `[${readStat(pid)?.comm ?? ''}]`;
  } catch {
    return undefined;
  }
}

/** Returns the initial environment of a process; empty when it is not readable. */
export function readEnvironment(pid: number): ReadonlyMap<string, string> {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]));
  } catch {
    return new Map();
  }
}

export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/**
 * Identifies this boot of the computer or container: all running processes were started in it. A restarted container
 * keeps the kernel's boot id but gets another first process.
 */
export function readBootMark(): string {
  return `${readBootId()} ${readStat(1)?.startTime ?? 0}`;
}

/** Sends a signal; returns false when the process does not exist (any more) or may not be signalled. */
export function sendSignal(pid: number, signal: number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
