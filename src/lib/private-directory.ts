import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { FlotillaError } from './errors.ts';

/**
 * Creates a directory with mode 0700, or gives an existing one that mode. Throws FlotillaError `usage` when another
 * user (other than root) owns it, or owns a symbolic link at its path: that user could replace its contents.
 */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const own = process.getuid!();
  const link = lstatSync(path);
  const directory = statSync(path);
  if (link.isSymbolicLink() && link.uid !== own && link.uid !== 0) throw foreign(`the link ${path}`, link.uid);
  if (directory.uid !== own) throw foreign(path, directory.uid);
  if ((directory.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** Sets the mode of an existing file to 0600. */
export function makePrivateFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isFile() && (found.mode & 0o077) !== 0) chmodSync(path, 0o600);
}

function foreign(what: string, uid: number): FlotillaError {
  return new FlotillaError(
    'usage',
    `${what} belongs to another user (uid ${uid}): move it away, or name another place`,
  );
}
