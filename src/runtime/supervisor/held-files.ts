import { readFileSync } from 'node:fs';

/** Descriptors that are never held for long: looks at /proc, starts of processes and the units' state must always be possible. */
const SPARE = 64;

let firstSpare: number | undefined;

/**
 * Whether a descriptor just opened may stay open for as long as a unit lives. The kernel gives out the lowest number that is
 * free, so one near this process's limit says that nearly all are in use.
 */
export function mayHold(fd: number): boolean {
  firstSpare ??= firstSpareOf(readFileSync('/proc/self/limits', 'utf8'));
  return fd < firstSpare;
}

function firstSpareOf(limits: string): number {
  const limit = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  return limit - Math.min(SPARE, limit / 2);
}
