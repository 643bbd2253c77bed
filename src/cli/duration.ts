import { FlotillaError, parseGoDuration } from '../lib/index.ts';

/**
 * Parses a Go duration (`30s`, `1m30s`, `500ms`) or a number of seconds (`5`) to milliseconds; throws a `usage` error
 * for anything else.
 */
export function parseDurationFlag(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * 1000) : parseGoDuration(text);
  if (ms === undefined)
    throw new FlotillaError(
      'usage',
      `${JSON.stringify(text)} is not a duration: write 30s, 1m30s, 500ms, or 30 for seconds`,
    );
  return ms;
}

/** Formats a duration as Go does: 5m0s, 1m30s, 2.5s, 500ms. */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms) / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
