import { FlotillaError } from '../lib/index.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration (`30s`, `1m30s`, `500ms`, `0`); throws a `usage` error for anything else. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/y;
  let ms = 0;
  while (part.lastIndex < text.length || text === '') {
    const match = part.exec(text);
    if (!match)
      throw new FlotillaError('usage', `${JSON.stringify(text)} is not a duration: write 30s, 1m30s or 500ms`);
    ms += Number(match[1]) * UNIT_MS[match[2]!]!;
  }
  return ms;
}

/** A duration as Go writes it: 5m0s, 1m30s, 2.5s, 500ms. */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms) / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
