import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  FlotillaError,
  makePrivateDirectory,
  makePrivateFile,
  messageOf,
  readStateFile,
  syncDirectory,
  systemReason,
} from '../../lib/index.ts';
import { findDamage } from './data-file-check.ts';
import { Database } from './database.ts';
import { lockFile } from './process-lock.ts';

/** Raised when older versions of the program cannot read the files of this one. */
export const FORMAT_VERSION = 1;
const FORMAT_WORD = 'flotilla-store';

const DATA_FILE = 'data.mdb';
const FORMAT_FILE = 'format';
const CREATING_FILE = 'creating';
const LOCK_FILE = 'lock';

export interface DataDirectory {
  readonly database: Database;
  /** Closes the data file and releases the directory. */
  close(): Promise<void>;
}

/**
 * Opens the store's directory, or creates it. Throws FlotillaError: `conflict` when another process uses it, `damaged`
 * when it is incomplete, written by a newer version, or not a store's directory.
 */
export function openDataDirectory(directory: string): DataDirectory {
  makePrivateDirectory(directory);
  // Older versions made the files, with all keys and values, readable by everybody.
  for (const name of [DATA_FILE, `${DATA_FILE}-lock`]) makePrivateFile(join(directory, name));
  const unlock = lockFile(join(directory, LOCK_FILE), `the store's directory ${directory}`);
  try {
    const database = openDatabase(directory);
    makePrivateFile(join(directory, DATA_FILE));
    makePrivateFile(join(directory, `${DATA_FILE}-lock`));
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
  if (!existsSync(path)) throw damaged(directory, `its data file ${DATA_FILE} is missing`);
  if (!statSync(path).isFile()) throw damaged(directory, `its data file ${DATA_FILE} is no file`);
  const damage = findDamage(path);
  if (damage !== undefined) throw damaged(directory, `its data file ${DATA_FILE} ${damage}`);
  try {
    // Readers and locks of a process that has ended; our own lock excludes others.
    rmSync(`${path}-lock`, { recursive: true, force: true });
    return new Database(path);
  } catch (error) {
    throw damaged(directory, `its data file ${DATA_FILE} cannot be opened (${messageOf(error)})`, error);
  }
}

/** Start again after an interrupted creation: nothing was acknowledged before it was complete. */
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
    text = readStateFile(join(directory, FORMAT_FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw damaged(directory, `its file ${FORMAT_FILE} cannot be read (${systemReason(error)})`, error);
  }
  const [word, version] = text.trim().split(' ');
  if (word !== FORMAT_WORD || !/^\d+$/.test(version ?? ''))
    throw damaged(directory, `its file ${FORMAT_FILE} is garbled`);
  return Number(version);
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
