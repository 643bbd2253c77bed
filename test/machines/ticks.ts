import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Machine } from './machine.ts';

/** A service that writes down on its machine's disk, many times a second, when it ran. `sections` follow it in the file. */
export function ticking(sections = ''): string {
  const script = 'while :; do date +%%s%%N; sleep 0.05; done >>/var/tmp/%n';
  return `[Service]\nExecStart=/bin/sh -c '${script}'\n${sections}`;
}

/** When the service ran on that machine, in milliseconds since 1970; the clock is that of all machines of this host. */
export function ticksOf(machine: Machine, unit: string): readonly number[] {
  const file = path.join(machine.disk, 'var/tmp', unit);
  if (!existsSync(file)) return [];
  // The last line may still be under way.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => Number(line) / 1e6);
}

/** The longest time, in milliseconds, that passed between two ticks from `sinceMs` to `untilMs`. */
export function longestGapMs(ticks: readonly number[], sinceMs: number, untilMs: number): number {
  const times = [sinceMs, ...ticks.filter((tick) => tick > sinceMs && tick < untilMs), untilMs];
  return Math.max(...times.slice(1).map((time, index) => time - times[index]!));
}
