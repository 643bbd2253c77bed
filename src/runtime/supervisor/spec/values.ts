import { constants } from 'node:os';
import { rowOf } from '../../../lib/index.ts';

const SPAN_UNITS_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  usec: 0.001,
  µs: 0.001,
  ms: 1,
  msec: 1,
  s: 1000,
  sec: 1000,
  second: 1000,
  seconds: 1000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  weeks: 604_800_000,
  M: 2_629_800_000,
  month: 2_629_800_000,
  months: 2_629_800_000,
  y: 31_557_600_000,
  year: 31_557_600_000,
  years: 31_557_600_000,
};

/** Parses a time span of systemd.time(7) to milliseconds: `5`, `1min 30s`, `500ms`, `infinity`. */
export function parseTimeSpanMs(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === 'infinity') return Number.POSITIVE_INFINITY;
  if (trimmed === '') return undefined;
  // One part at a time: a pattern for the whole text would try every way to split a run of digits.
  const part = /\s*(\d+(?:\.\d*)?)\s*([A-Za-zµ]*)/y;
  let total = 0;
  while (part.lastIndex < trimmed.length) {
    const [, amount, unit] = part.exec(trimmed) ?? [];
    const scale = amount === undefined ? undefined : rowOf(SPAN_UNITS_MS, unit || 's');
    if (scale === undefined) return undefined;
    total += Number(amount) * scale;
  }
  return total;
}

/** Parses systemd's booleans: 1/yes/y/true/t/on and 0/no/n/false/f/off. */
export function parseBoolean(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (['1', 'yes', 'y', 'true', 't', 'on'].includes(word)) return true;
  if (['0', 'no', 'n', 'false', 'f', 'off'].includes(word)) return false;
  return undefined;
}

const FIRST_REALTIME_SIGNAL = 34;
const LAST_SIGNAL = 64;

/** Parses a signal (name with or without SIG, number, or RTMIN+n); returns its number. */
export function parseSignal(text: string): number | undefined {
  const word = text.trim().toUpperCase().replace(/^SIG/, '');
  if (/^\d+$/.test(word)) return within(Number(word));
  const realtime = /^RTMIN(?:\+(\d+))?$/.exec(word);
  if (realtime) return within(FIRST_REALTIME_SIGNAL + Number(realtime[1] ?? 0));
  const known: Readonly<Record<string, number>> = constants.signals;
  return known[`SIG${word}`];
}

function within(signal: number): number | undefined {
  return signal >= 1 && signal <= LAST_SIGNAL ? signal : undefined;
}

/** Returns a signal's name without SIG, as systemd prints it (`TERM`, `RTMIN+1`). */
export function signalName(signal: number): string {
  for (const [name, number] of Object.entries(constants.signals)) {
    if (number === signal && name !== 'SIGIOT' && name !== 'SIGPOLL' && name !== 'SIGUNUSED') return name.slice(3);
  }
  return signal >= FIRST_REALTIME_SIGNAL ? `RTMIN+${signal - FIRST_REALTIME_SIGNAL}` : String(signal);
}
