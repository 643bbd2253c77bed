import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { FlotillaError } from '../../lib/index.ts';
import { Database } from './database.ts';
import { lockFile } from './process-lock.ts';
import { verify } from './verify.ts';

/** Raised when older versions of the program can no longer read what this one writes. */
export const FORMAT_VERSION = 1;
const FORMAT_WORD = 'flotilla-store';

const DATA_FILE = 'data.mdb';
const FORMAT_FILE = 'format';
const CREATING_FILE = 'creating';
const LOCK_FILE = 'lock';

export interface DataDirectory {
  readonly database: Database;
  /** Closes the data file and lets other processes have the directory. */
  close(): Promise<void>;
}

/**
 * Opens the store's directory, making it when it does not exist. Throws FlotillaError: `conflict` when another process
 * uses it, `damaged` when it is not whole, was written by a newer version, or is not a store's directory.
 */
export function openDataDirectory(directory: string): DataDirectory {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockFile(join(directory, LOCK_FILE), `the store's directory ${directory}`);
  try {
    const database = openDatabase(directory);
    return {
      database,
      async close() {
        await database.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function openDatabase(directory: string): Database {
  const version = readFormat(directory);
  if (version === undefined) return createDatabase(directory);
  if (version > FORMAT_VERSION) {
    const what = `${directory} was written by a newer version (format ${version}, this one knows up to ${FORMAT_VERSION})`;
    throw new FlotillaError('damaged', `${what}; run that version, or start with another directory`);
  }
  const path = join(directory, DATA_FILE);
  const size = checkDataFile(directory);
  // Final pages that are free need not be in the file; they must be there to be mapped.
  if (size.bytes < size.neededBytes) truncateSync(path, size.neededBytes);
  try {
    const database = new Database(path);
    if (size.bytes < size.neededBytes) verify(database);
    return database;
  } catch (error) {
    if (size.bytes < size.neededBytes) truncateSync(path, size.bytes);
    const why =
      size.bytes < size.neededBytes ? `is cut off (${size.bytes} of ${size.neededBytes} bytes)` : 'cannot be opened';
    throw damaged(directory, `its data file ${DATA_FILE} ${why}`, error);
  }
}

/** A creation that was cut short is begun again: nothing was acknowledged before it was complete. */
function createDatabase(directory: string): Database {
  const creating = join(directory, CREATING_FILE);
  const others = readdirSync(directory).filter((name) => !name.startsWith(LOCK_FILE) && name !== 'lost+found');
  if (others.length > 0 && !others.includes(CREATING_FILE)) {
    throw damaged(
      directory,
      `it holds ${others[0]} but no file named ${FORMAT_FILE}, so it is not a store's directory`,
    );
  }
  writeDurably(creating, '');
  for (const name of [DATA_FILE, `${DATA_FILE}-lock`]) rmSync(join(directory, name), { force: true });
  const database = new Database(join(directory, DATA_FILE));
  const temporary = join(directory, `${CREATING_FILE}.format`);
  writeDurably(temporary, `${FORMAT_WORD} ${FORMAT_VERSION}\n`);
  renameSync(temporary, join(directory, FORMAT_FILE));
  rmSync(creating);
  syncDirectory(directory);
  return database;
}

function readFormat(directory: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, FORMAT_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [word, version] = text.trim().split(' ');
  if (word !== FORMAT_WORD || !/^\d+$/.test(version ?? ''))
    throw damaged(directory, `its file ${FORMAT_FILE} is garbled`);
  return Number(version);
}

const META_PAGE_BYTES = 4096;
const MAGIC = 0xbeefc0de;
const AT = { magic: 24, pageBytes: 48, lastPage: 144, txn: 152 } as const;

/**
 * The sizes that the data file has and should have. LMDB maps it into memory: one that is cut short would kill the
 * process when a page beyond its end is read.
 */
function checkDataFile(directory: string): { readonly bytes: number; readonly neededBytes: number } {
  const path = join(directory, DATA_FILE);
  const bytes = statSync(path, { throwIfNoEntry: false })?.size;
  if (bytes === undefined) throw damaged(directory, `its data file ${DATA_FILE} is missing`);
  const metas = readMetaPages(path).filter((page) => page.readUInt32LE(AT.magic) === MAGIC);
  const newest = metas.sort((a, b) => Number(b.readBigUInt64LE(AT.txn) - a.readBigUInt64LE(AT.txn)))[0];
  if (!newest) throw damaged(directory, `its data file ${DATA_FILE} does not begin as one`);
  const neededBytes = (Number(newest.readBigUInt64LE(AT.lastPage)) + 1) * newest.readUInt32LE(AT.pageBytes);
  return { bytes, neededBytes };
}

function readMetaPages(path: string): Buffer[] {
  const pages = Buffer.alloc(2 * META_PAGE_BYTES);
  const file = openSync(path, 'r');
  try {
    readSync(file, pages, 0, pages.length, 0);
  } finally {
    closeSync(file);
  }
  return [pages.subarray(0, META_PAGE_BYTES), pages.subarray(META_PAGE_BYTES)];
}

function damaged(directory: string, why: string, cause?: unknown): FlotillaError {
  const what = `the store's directory ${directory} cannot be used: ${why}`;
  return new FlotillaError('damaged', `${what}; restore it from a backup, or start with an empty directory`, {}, cause);
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncDirectory(directory: string): void {
  const file = openSync(directory, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
