import { loadavg } from 'node:os';

/** One measured thing: its samples, and what they are held against. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly samples: readonly number[];
  /** What is asked for, in words, e.g. `median < 150`. */
  readonly target?: string;
  /** The least that anything could take here, measured in the same run, in the same unit. */
  readonly floor?: { readonly name: string; readonly samples: readonly number[] };
}

/** The p-quantile (0..1) by nearest rank; NaN without samples. */
export function quantile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** Prints figures as one table, with the load of the machine they were taken on. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  const rows = figures.map(({ name, unit, samples, target, floor }) => [
    name,
    `${format(median(samples))} ${unit}`,
    `${format(quantile(samples, 0.95))} ${unit}`,
    String(samples.length),
    target ?? '',
    floor
      ? `${(median(samples) / median(floor.samples)).toFixed(2)} × ${floor.name} (${format(median(floor.samples))} ${unit})`
      : '',
  ]);
  console.log(`\n${title} (load average ${loadavg()[0]!.toFixed(2)})`);
  for (const line of table([['figure', 'median', 'p95', 'n', 'asked for', 'against the floor'], ...rows]))
    console.log(line);
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
