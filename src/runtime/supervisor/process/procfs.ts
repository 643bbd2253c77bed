import { readdirSync, readFileSync } from 'node:fs';
import { readStat, trimEnd } from '../../../lib/index.ts';

export { isRunning, isZombie, type ProcessId, type ProcessStat, readStat } from '../../../lib/index.ts';

export function listPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** The command line with its arguments joined by blanks, `[name]` when it has none. */
export function readCommandLine(pid: number): string | undefined {
  try {
    const text = trimEnd(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '\0').replaceAll('\0', ' ');
    return text || `[${readStat(pid)?.comm ?? ''}]`;
  } catch {
    return undefined;
  }
}

/** The environment a process was started with; empty when it may not be read. */
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
 * Names the time between two boots of this computer or container: whatever runs now was started in it. A container
 * that starts again keeps the kernel's boot id but gets another first process.
 */
export function readBootMark(): string {
  return `${readBootId()} ${readStat(1)?.startTime ?? 0}`;
}

/** Sends a signal; false when there is no such process (any more) or it may not be signalled. */
export function sendSignal(pid: number, signal: number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
