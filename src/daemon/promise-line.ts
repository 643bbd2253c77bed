/**
 * The content of `stop-promise`: one line of the boot, three times in hundredths of a second of uptime and the units. Whatever
 * follows the line counts for nothing. fleetd writes it; bin/fleetd-guard, or the supervisor, reads it when fleetd is not there.
 */
export interface PromiseLine {
  readonly boot: string;
  /** From then on fleetd stops the units; this and the next two are milliseconds of uptime. */
  readonly stopAtMs: number;
  /** From then on the guard stops them. */
  readonly guardAtMs: number;
  /** The lease may have ended: the guard kills what still runs. */
  readonly endMs: number;
  readonly units: readonly string[];
}

const LINE = /^(\S+) (\d+) (\d+) (\d+)((?: \S+)+)\n/;

export function formatPromiseLine({ boot, stopAtMs, guardAtMs, endMs, units }: PromiseLine): string {
  const times = [stopAtMs, guardAtMs, endMs].map((ms) => Math.floor(ms / 10));
  return [boot, ...times, ...units].join(' ');
}

/** Returns undefined for a line that is not whole. */
export function parsePromiseLine(text: string): PromiseLine | undefined {
  const [, boot, stop, guard, end, units] = LINE.exec(text) ?? [];
  if (boot === undefined || units === undefined) return undefined;
  const [stopAtMs, guardAtMs, endMs] = [Number(stop) * 10, Number(guard) * 10, Number(end) * 10];
  return { boot, stopAtMs, guardAtMs, endMs, units: units.trim().split(' ') };
}
