import { FlotillaError, parseDuration } from '../lib/index.ts';

const DAY_MS = 86_400_000;
const DAY = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?$/;
const CLOCK = /^(\d\d):(\d\d)(?::(\d\d))?$/;

/**
 * Parses a time as journalctl's --since does, to milliseconds since 1970: `10m` (ago), `14:30`, `2026-11-28 14:30`,
 * `today`, `yesterday`, `now`, `@` and seconds since 1970, or RFC 3339. Without a zone it is the user's. Throws a
 * `usage` error.
 */
export function pointInTime(flag: string, text: string, nowMs: number): number {
  const ms = parse(text.trim(), nowMs);
  if (ms !== undefined && Number.isFinite(ms)) return Math.max(0, Math.round(ms));
  throw new FlotillaError(
    'usage',
    `--${flag} ${JSON.stringify(text)} is no time: write 10m (ago), 14:30, today or "2026-11-28 14:30"`,
  );
}

function parse(text: string, nowMs: number): number | undefined {
  const midnight = new Date(nowMs).setHours(0, 0, 0, 0);
  if (text === 'now') return nowMs;
  if (text === 'today') return midnight;
  if (text === 'yesterday') return new Date(midnight - DAY_MS / 2).setHours(0, 0, 0, 0);
  if (/^@\d{1,12}$/.test(text)) return Number(text.slice(1)) * 1000;
  const clock = CLOCK.exec(text);
  if (clock) {
    const [hours, minutes, seconds] = clock.slice(1).map((part) => Number(part ?? 0));
    const date = new Date(nowMs);
    return localTime([date.getFullYear(), date.getMonth() + 1, date.getDate(), hours!, minutes!, seconds!]);
  }
  const day = DAY.exec(text);
  if (day) return localTime(day.slice(1).map((part) => Number(part ?? 0)));
  if (/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text)) return Date.parse(text);
  const days = /^-?(\d{1,5})\s*d(?:ays?)?(?: ago)?$/.exec(text);
  if (days) return nowMs - Number(days[1]) * DAY_MS;
  const ago = parseDuration(text.replace(/^-/, '').replace(/ ago$/, ''));
  return ago === undefined || /^\d+$/.test(text) ? undefined : nowMs - ago;
}

/** Returns undefined for a day or time of day that does not exist. */
function localTime([year, month, day, hours, minutes, seconds]: readonly number[]): number | undefined {
  const date = new Date(year!, month! - 1, day!, hours!, minutes!, seconds!);
  return date.getMonth() === month! - 1 && date.getDate() === day && hours! < 24 && minutes! < 60 && seconds! < 60
    ? date.getTime()
    : undefined;
}
