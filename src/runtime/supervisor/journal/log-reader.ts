import { closeSync, constants, fstatSync, mkdirSync, openSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { unlessAborted } from '../../../lib/index.ts';
import { recordBefore, recordsFrom } from './log-file.ts';
import { CURRENT_LOG, PREVIOUS_LOG } from './log-writer.ts';
import { countEntries, entriesOf, type LogEntry } from './record.ts';

export interface ReadLogOptions {
  /** The number of newest lines to begin with. */
  readonly lines: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/**
 * Yields the newest lines of a unit's log, oldest first, then new ones as they are written, when following. Reads the
 * files in the calling process, so that it costs the supervisor neither memory nor time.
 */
export async function* readLog(directory: string, options: ReadLogOptions): AsyncGenerator<LogEntry> {
  const watcher = options.follow ? watchDirectory(directory, options.signal) : undefined;
  let cursor: Cursor | undefined;
  try {
    const files = openFiles(directory);
    cursor = { file: undefined, at: 0 };
    yield* newest(files, options.lines, cursor);
    while (watcher !== undefined && !options.signal.aborted) {
      const more = advance(directory, cursor);
      if (more === undefined) await watcher.changed();
      else yield* more;
    }
  } finally {
    watcher?.close();
    if (cursor?.file !== undefined) closeSync(cursor.file.fd);
  }
}

interface OpenFile {
  readonly fd: number;
  readonly inode: number;
}

/** The reading position: an offset in a file, which stays open even after it was rotated. */
interface Cursor {
  file: OpenFile | undefined;
  at: number;
}

/** Opens both files, oldest first. */
function openFiles(directory: string): OpenFile[] {
  for (;;) {
    const current = openFile(join(directory, CURRENT_LOG));
    const previous = openFile(join(directory, PREVIOUS_LOG));
    const files = [previous, current].filter((file) => file !== undefined);
    // Both are the same file when it was rotated between the two calls.
    if (current === undefined || previous === undefined || current.inode !== previous.inode) return files;
    for (const file of files) closeSync(file.fd);
  }
}

function openFile(path: string): OpenFile | undefined {
  try {
    // A FIFO in its place is not waited for.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = fstatSync(fd);
    if (found.isFile()) return { fd, inode: found.ino };
    closeSync(fd);
    return undefined;
  } catch {
    return undefined;
  }
}

/** Yields the newest lines of the files. The last file stays open for the cursor, the others are closed. */
function* newest(files: readonly OpenFile[], lines: number, cursor: Cursor): Generator<LogEntry> {
  cursor.file = files.at(-1);
  const [first, start, skip] = findStart(files, lines);
  let skipping = skip;
  try {
    for (let index = 0; index < files.length; index++) {
      if (index < first) continue;
      const from = index === first ? start : 0;
      cursor.at = index === files.length - 1 ? from : cursor.at;
      for (const { record, end } of recordsFrom(files[index]!.fd, from)) {
        for (const entry of entriesOf(record)) if (skipping-- <= 0) yield entry;
        if (index === files.length - 1) cursor.at = end;
      }
    }
  } finally {
    for (const file of files.slice(0, -1)) closeSync(file.fd);
  }
}

/**
 * Walks back from the end until there are enough lines; returns the file, the offset in it, and the lines to skip
 * there.
 */
function findStart(files: readonly OpenFile[], lines: number): readonly [file: number, place: number, skip: number] {
  let count = 0;
  for (let index = files.length - 1; index >= 0; index--) {
    let place = fstatSync(files[index]!.fd).size;
    while (count < lines) {
      const found = recordBefore(files[index]!.fd, place);
      if (found === undefined) break;
      count += countEntries(found.record);
      place = found.start;
    }
    if (count >= lines) return [index, place, count - lines];
  }
  return [0, 0, 0];
}

/** Returns the entries written since, undefined when there are none; moves on to the next file if there is one. */
function advance(directory: string, cursor: Cursor): LogEntry[] | undefined {
  // Look for the next file before reading: lines written in between belong to the file that is found.
  const next = nextFile(directory, cursor);
  if (cursor.file !== undefined) {
    const entries: LogEntry[] = [];
    for (const { record, end } of recordsFrom(cursor.file.fd, cursor.at)) {
      entries.push(...entriesOf(record));
      cursor.at = end;
      if (entries.length > 1000) break;
    }
    if (entries.length > 0) {
      if (next !== undefined) closeSync(next.fd);
      return entries;
    }
  }
  if (next === undefined) return undefined;
  if (cursor.file !== undefined) closeSync(cursor.file.fd);
  cursor.file = next;
  cursor.at = 0;
  return [];
}

/** Opens the file behind the cursor's; returns undefined while that is the newest. */
function nextFile(directory: string, cursor: Cursor): OpenFile | undefined {
  const current = join(directory, CURRENT_LOG);
  if (inodeOf(current) === cursor.file?.inode) return undefined;
  const previous = join(directory, PREVIOUS_LOG);
  const skippedOne = cursor.file !== undefined && inodeOf(previous) !== cursor.file.inode;
  return (skippedOne ? openFile(previous) : undefined) ?? openFile(current);
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function watchDirectory(directory: string, signal: AbortSignal) {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let pending = false;
  let wake: (() => void) | undefined;
  const notify = () => {
    pending = true;
    wake?.();
  };
  const watcher = watch(directory, notify);
  watcher.on('error', notify);
  return {
    /** Resolves when the directory has changed since the last call, or the signal aborts. */
    async changed(): Promise<void> {
      if (!pending)
        await unlessAborted<void>(signal, (resolve) => {
          wake = resolve;
          return () => {
            wake = undefined;
          };
        });
      pending = false;
    },
    close(): void {
      watcher.close();
    },
  };
}
