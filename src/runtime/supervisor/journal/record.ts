/** The stream of a line: the unit's shared output, its own stderr, or the supervisor's messages. */
export type LogStream = 'stdout' | 'stderr' | 'supervisor';

/**
 * A log file is a sequence of records: a header line, the payload (whole lines without the final newline) and a trailer
 * with the record's length, by which the file can be read backwards. Bytes of one read become one record with one time:
 * a unit that prints a gigabyte costs a few thousand records, not a hundred million.
 */
export interface LogRecord {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly stream: LogStream;
  readonly pid: number;
  readonly identifier: string;
  readonly payload: Buffer;
}

/** One line of a unit's log. */
export interface LogEntry {
  readonly time: number;
  readonly stream: LogStream;
  readonly pid: number;
  readonly identifier: string;
  readonly message: Buffer;
}

/** Longer lines are cut, as journald does (LineMax=). */
export const MAX_LINE_BYTES = 48 * 1024;
/** `\n` and eight hexadecimal digits and `\n`. */
export const TRAILER_BYTES = 10;
const NEWLINE = 10;
const MAX_HEADER_BYTES = 512;
const HEADER = /^(\d+) ([oes]) (\d+) (\d+) ([^\n]*)\n/;
const LETTER: Readonly<Record<LogStream, string>> = { stdout: 'o', stderr: 'e', supervisor: 's' };
const STREAM: Readonly<Record<string, LogStream>> = { o: 'stdout', e: 'stderr', s: 'supervisor' };

/** Encodes a record in pieces for one write, without copying the payload. */
export function encodeRecord(record: Omit<LogRecord, 'payload'>, payload: readonly Buffer[]): readonly Buffer[] {
  const identifier = record.identifier.replace(/[\n\0]/g, ' ').slice(0, 100);
  const bytes = totalLength(payload);
  const header = Buffer.from(`${record.time} ${LETTER[record.stream]} ${record.pid} ${bytes} ${identifier}\n`);
  const total = header.length + bytes + TRAILER_BYTES;
  return [header, ...payload, Buffer.from(`\n${total.toString(16).padStart(8, '0')}\n`)];
}

export function totalLength(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** Decodes the record at `at` and returns it with its length; undefined for an incomplete one. */
export function decodeRecord(
  bytes: Buffer,
  at = 0,
): { readonly record: LogRecord; readonly length: number } | undefined {
  const header = HEADER.exec(bytes.toString('utf8', at, Math.min(bytes.length, at + MAX_HEADER_BYTES)));
  if (header === null) return undefined;
  const [head, time, stream, pid, size, identifier] = header as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const start = at + Buffer.byteLength(head);
  const end = start + Number(size);
  const length = end + TRAILER_BYTES - at;
  if (end + TRAILER_BYTES > bytes.length || trailerLength(bytes, end) !== length) return undefined;
  return {
    record: {
      time: Number(time),
      stream: STREAM[stream]!,
      pid: Number(pid),
      identifier,
      payload: bytes.subarray(start, end),
    },
    length,
  };
}

/** Reads the record's length from a trailer at `at`; undefined when there is no trailer. */
export function trailerLength(bytes: Buffer, at: number): number | undefined {
  const text = bytes.toString('latin1', at, at + TRAILER_BYTES);
  return /^\n[0-9a-f]{8}\n$/.test(text) ? Number.parseInt(text.slice(1, 9), 16) : undefined;
}

/** Splits a record into lines; overlong ones are cut. */
export function entriesOf(record: LogRecord): LogEntry[] {
  const { time, stream, pid, identifier, payload } = record;
  return linesOf(payload).map((message) => ({ time, stream, pid, identifier, message }));
}

/** Returns the number of entries that `entriesOf` would give. */
export function countEntries(record: LogRecord): number {
  let count = 0;
  forEachLine(record.payload, () => count++);
  return count;
}

function linesOf(payload: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  forEachLine(payload, (from, to) => lines.push(payload.subarray(from, to)));
  return lines;
}

function forEachLine(payload: Buffer, visit: (from: number, to: number) => void): void {
  for (let from = 0; from <= payload.length; ) {
    const newline = payload.indexOf(NEWLINE, from);
    const end = newline === -1 ? payload.length : newline;
    while (end - from > MAX_LINE_BYTES) {
      visit(from, from + MAX_LINE_BYTES);
      from += MAX_LINE_BYTES;
    }
    visit(from, end);
    from = end + 1;
  }
}
