import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { FlotillaError } from './errors.ts';

/**
 * Makes a directory that only this user may enter, and makes an old one so. Throws FlotillaError `usage` when it belongs to
 * another user, or is a link of another user's (but root's): they could put anything in its place.
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

/** Closes a file to all other users, where there is one. */
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
