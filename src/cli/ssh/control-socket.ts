import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { FlotillaError } from '../../lib/index.ts';
import type { Io } from '../io.ts';

/** A socket's path takes 107 bytes at most, and ssh binds it under a name 17 longer at first. */
const LONGEST_PATH = 107 - 17;
const NAME_LENGTH = 16;

/**
 * Where the connection that is described by these words is shared: in a directory which nobody else can look into, made
 * where it is missing. The same words give the same path.
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

/** True when the directory is there, is ours, and is closed to everybody else. */
function makePrivate(directory: string): boolean {
  try {
    // One by one: asked for all of them, Node does not come to an end in a file system that lets nobody make any.
    for (const each of [dirname(directory), directory]) if (!existsSync(each)) mkdirSync(each, { mode: 0o700 });
    const at = lstatSync(directory);
    return at.isDirectory() && at.uid === process.getuid!() && (at.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/** True when a connection is shared there. */
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
