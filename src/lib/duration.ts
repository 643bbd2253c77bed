import { rowOf } from './row-of.ts';

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  msec: 1,
  s: 1000,
  sec: 1000,
  '': 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
};

/**
 * Times as systemd and Go write them: `2s`, `500ms`, `1min 30s`, `1m30s`; a bare number is seconds. In milliseconds;
 * undefined for anything else.
 */
export function parseDuration(text: string): number | undefined {
  let ms = 0;
  const parts = [...text.matchAll(/\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*/gy)];
  for (const [, amount, unit] of parts) {
    const unitMs = rowOf(UNITS_MS, unit);
    if (unitMs === undefined) return undefined;
    ms += Number(amount) * unitMs;
  }
  const whole = parts.map(([all]) => all).join('') === text;
  return whole && parts.length > 0 ? Math.round(ms) : undefined;
}
