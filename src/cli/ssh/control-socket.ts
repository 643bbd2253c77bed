import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { FlotillaError } from '../../lib/index.ts';
import type { Io } from '../io.ts';

/** The path of a unix socket has at most 107 bytes, and ssh first binds it under a name 17 bytes longer. */
const LONGEST_PATH = 107 - 17;
const NAME_LENGTH = 16;

/**
 * Returns the path of the shared connection that these words describe, in a private directory, which is created if
 * missing. The same words give the same path.
 */
export function controlSocketPath(words: readonly string[], env: Io['env']): string {
  const name = createHash('sha256').update(JSON.stringify(words)).digest('hex').slice(0, NAME_LENGTH);
  const runtime = env['XDG_RUNTIME_DIR'];
  const candidates = [
    ...(runtime ? [join(runtime, 'fleetctl')] : []),
    join(env['HOME'] || homedir(), '.fleetctl', 'ssh'),
    `/tmp/fleetctl-${process.getuid!()}`,
  ];
  const directory = candidates.find((at) => Buffer.byteLength(join(at, name)) <= LONGEST_PATH && makePrivate(at));
  if (directory !== undefined) return join(directory, name);
  throw new FlotillaError(
    'invalid',
    `no place for the socket of an ssh connection: none of ${candidates.join(', ')} can be a directory of yours alone`,
  );
}

/** Returns true when the directory exists, belongs to this user, and is closed to others. */
function makePrivate(directory: string): boolean {
  try {
    // One by one: with `recursive`, mkdirSync does not return on a file system that refuses every directory.
    for (const each of [dirname(directory), directory]) if (!existsSync(each)) mkdirSync(each, { mode: 0o700 });
    const at = lstatSync(directory);
    return at.isDirectory() && at.uid === process.getuid!() && (at.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/** Resolves with true when a connection is shared there. */
export function isShared(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
