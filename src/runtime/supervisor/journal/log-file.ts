import { readSync } from 'node:fs';
import { decodeRecord, type LogRecord, TRAILER_BYTES, trailerLength } from './record.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * Returns the record that ends at `end`, with its offset; undefined at the beginning of the file or where none ends.
 */
export function recordBefore(
  fd: number,
  end: number,
): { readonly record: LogRecord; readonly start: number } | undefined {
  if (end < TRAILER_BYTES) return undefined;
  const total = trailerLength(readAt(fd, end - TRAILER_BYTES, TRAILER_BYTES), 0);
  if (total === undefined || total > end) return undefined;
  const found = decodeRecord(readAt(fd, end - total, total));
  return found === undefined ? undefined : { record: found.record, start: end - total };
}

/** Yields the complete records from `from` on, each with the offset behind it. */
export function* recordsFrom(
  fd: number,
  from: number,
): Generator<{ readonly record: LogRecord; readonly end: number }> {
  let at = from;
  for (let size = CHUNK_BYTES; ; ) {
    const bytes = readAt(fd, at, size);
    let used = 0;
    for (let found = decodeRecord(bytes, 0); found !== undefined; found = decodeRecord(bytes, used)) {
      used += found.length;
      yield { record: found.record, end: at + used };
    }
    at += used;
    if (used > 0) continue;
    // Either the end of the file, or a record larger than the chunk.
    if (bytes.length < size || size > 64 * CHUNK_BYTES) return;
    size *= 4;
  }
}

/** Returns the length of the complete records; less than the file's size after an interrupted write. */
export function soundLength(fd: number, size: number): number {
  if (size === 0 || recordBefore(fd, size) !== undefined) return size;
  let sound = 0;
  for (const { end } of recordsFrom(fd, 0)) sound = end;
  return sound;
}

function readAt(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const got = readSync(fd, buffer, filled, length - filled, position + filled);
    if (got === 0) break;
    filled += got;
  }
  return buffer.subarray(0, filled);
}
