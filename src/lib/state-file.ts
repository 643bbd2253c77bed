import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';

/** Larger than any file that this program writes to read it back: one beyond is damaged, and would fill the memory. */
const MAX_BYTES = 64 << 20;

/**
 * Returns the text of a file that this program wrote earlier. Throws, and never waits, where something else stands in its
 * place or its size cannot be right; an error of the system has its code (`ENOENT`: there is none).
 */
export function readStateFile(path: string, maxBytes = MAX_BYTES): string {
  // Without O_NONBLOCK, opening a FIFO waits for a writer.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw new Error(found.isDirectory() ? 'it is a directory' : 'it is no file');
    if (found.size > maxBytes) throw new Error(`its ${found.size} bytes are more than it ever holds`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Makes room for a file where something else stands; a link to a file stays. */
export function removeUnlessFile(path: string): void {
  try {
    if (statSync(path).isFile()) return;
  } catch {
    // Missing, or a link that leads nowhere.
  }
  rmSync(path, { recursive: true, force: true });
}

/** Makes a directory that only this user may enter, whatever stands in its place. */
export function makeStateDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) rmSync(path, { force: true });
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

export interface ReplaceStateFileOptions {
  /** Put together here, in the same directory, and then moved; `PATH.new` unless given. */
  readonly draft?: string;
  readonly mode?: number;
  /** Its bytes outlast a loss of power; its name does once the directory is synced. */
  readonly flush?: boolean;
}

/** Puts a file in its place whole or not at all. A directory, link or FIFO that stands in its place, or its draft's, goes. */
export function replaceStateFile(path: string, text: string, options: ReplaceStateFileOptions = {}): void {
  const { draft = `${path}.new`, mode = 0o600, flush = false } = options;
  const replace = () => {
    const fd = openSync(draft, DRAFT_FLAGS, mode);
    try {
      writeFileSync(fd, text, { flush });
    } finally {
      closeSync(fd);
    }
    renameSync(draft, path);
  };
  try {
    replace();
  } catch (error) {
    if (!isInTheWay(error)) throw error;
    removeObstacles(path, draft);
    replace();
  }
}

/** Makes room where a file cannot be put in its place by its draft. */
export function removeObstacles(path: string, draft: string): void {
  rmSync(draft, { recursive: true, force: true });
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) rmSync(path, { recursive: true });
}

/** True for an error of the system that says: there is something other than a file that can be written to. */
export function isInTheWay(error: unknown): boolean {
  return IN_THE_WAY.has((error as NodeJS.ErrnoException).code ?? '');
}

const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Opens a draft, or fails where something else stands in its place; never waits for the reader of a FIFO. */
export const DRAFT_FLAGS: number = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK;
/** A directory, a link, a FIFO that nobody reads, a file that is closed to its owner. */
const IN_THE_WAY: ReadonlySet<string> = new Set(['EISDIR', 'ENOTEMPTY', 'EEXIST', 'ELOOP', 'ENXIO', 'EACCES']);
