import type { LogEntry } from './record.ts';

/** The facts that formatted lines contain besides the message. */
export interface LogFacts {
  readonly unit: string;
  readonly hostname: string;
  readonly machineId: string;
  readonly bootId: string;
}

type Format = (entry: LogEntry, facts: LogFacts) => string;

const FORMATS: Readonly<Record<string, Format>> = {
  short: (entry, facts) => short(shortTime(new Date(entry.time)), entry, facts),
  'short-precise': (entry, facts) => short(`${shortTime(new Date(entry.time))}.${micros(entry.time)}`, entry, facts),
  'short-iso': (entry, facts) => short(`${isoTime(new Date(entry.time))}${zone(new Date(entry.time))}`, entry, facts),
  'short-iso-precise': (entry, facts) => {
    const date = new Date(entry.time);
    return short(`${isoTime(date)}.${micros(entry.time)}${zone(date)}`, entry, facts);
  },
  'short-full': (entry, facts) => short(fullTime(entry.time), entry, facts),
  'short-unix': (entry, facts) => short(`${Math.floor(entry.time / 1000)}.${micros(entry.time)}`, entry, facts),
  'with-unit': (entry, facts) =>
    `${fullTime(entry.time)} ${facts.hostname} ${facts.unit}[${entry.pid}]: ${printable(entry.message)}`,
  cat: (entry) => entry.message.toString(),
  json: (entry, facts) => JSON.stringify(fieldsOf(entry, facts)),
  'json-pretty': (entry, facts) => JSON.stringify(fieldsOf(entry, facts), undefined, '\t'),
};

/** The supported values of journalctl's --output. */
export const LOG_FORMATS: readonly string[] = Object.keys(FORMATS);

/** Formats one entry as journalctl does; returns undefined for an unknown format. */
export function formatEntry(entry: LogEntry, format: string, facts: LogFacts): string | undefined {
  return Object.hasOwn(FORMATS, format) ? FORMATS[format]!(entry, facts) : undefined;
}

function short(time: string, entry: LogEntry, facts: LogFacts): string {
  return `${time} ${facts.hostname} ${entry.identifier}[${entry.pid}]: ${printable(entry.message)}`;
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const DAYS = 'Sun Mon Tue Wed Thu Fri Sat'.split(' ');

function shortTime(date: Date): string {
  return `${MONTHS[date.getMonth()]} ${two(date.getDate())} ${clockTime(date)}`;
}

function isoTime(date: Date): string {
  return `${dayOf(date)}T${clockTime(date)}`;
}

/** `Thu 2026-11-21 10:00:00 UTC`, as systemctl writes a point in time. */
export function fullTime(time: number): string {
  const date = new Date(time);
  const name = /\(([A-Z]{2,5})\)$|([A-Z]{2,5})$/.exec(
    new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).format(date),
  );
  return `${DAYS[date.getDay()]} ${dayOf(date)} ${clockTime(date)} ${name?.[1] ?? name?.[2] ?? zone(date)}`;
}

function dayOf(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function clockTime(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function zone(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

function micros(time: number): string {
  return String(Math.floor(time) % 1000)
    .padStart(3, '0')
    .padEnd(6, '0');
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

const ANSI = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))/g;

/** Prints like journalctl without --all: removes colours, replaces tabs, and gives only the size of binary data. */
function printable(message: Buffer): string {
  const text = decodeUtf8(message)?.replace(ANSI, '').replaceAll('\t', '        ');
  if (text === undefined || /[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(text))
    return `[${formatBytes(message.length)} blob data]`;
  return text;
}

function decodeUtf8(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? undefined : text;
}

function formatBytes(bytes: number): string {
  return bytes < 1024 ? `${bytes}B` : `${(bytes / 1024).toFixed(1)}K`;
}

function fieldsOf(entry: LogEntry, facts: LogFacts): Readonly<Record<string, unknown>> {
  const own = entry.stream === 'supervisor';
  return {
    __REALTIME_TIMESTAMP: String(Math.floor(entry.time * 1000)),
    PRIORITY: '6',
    _TRANSPORT: own ? 'journal' : entry.stream,
    SYSLOG_IDENTIFIER: entry.identifier,
    _PID: String(entry.pid),
    ...(own ? { UNIT: facts.unit } : { _SYSTEMD_UNIT: facts.unit }),
    _HOSTNAME: facts.hostname,
    _MACHINE_ID: facts.machineId,
    _BOOT_ID: facts.bootId.replaceAll('-', ''),
    MESSAGE: decodeUtf8(entry.message) ?? [...entry.message],
  };
}
