import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { parseEndpoint } from '../../client/index.ts';
import { FlotillaError, messageOf } from '../../lib/index.ts';
import { labEndpoints } from '../choose-endpoint.ts';
import type { Context } from '../context.ts';
import { DEFAULT_ENDPOINT } from '../global-flags.ts';
import { type Io, OutputClosed } from '../io.ts';

/** `fleetctl fd-forward`: connects stdin and stdout to a unix socket until the socket's other end closes. */
export async function forwardTo({ args, io }: Context): Promise<number> {
  const [path, ...others] = args;
  if (!path || others.length > 0) throw new FlotillaError('usage', 'Name one unix socket.');
  const socket = connect({ ...placeOf(path, io), allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) => {
      reject(new FlotillaError('unavailable', `cannot connect to ${path} (${reasonOf(error)})`));
    });
  });
  // Input that cannot be sent any more is useless: the other end has closed or is about to.
  pipeline(process.stdin, socket).catch(() => {});
  try {
    await pipeline(socket, process.stdout, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') throw new OutputClosed();
    throw new FlotillaError('unavailable', `the connection to ${path} broke: ${messageOf(error)}`);
  }
  return 0;
}

/** Returns the socket, or, on a computer without a fleetd of its own, that of this user's lab. */
function placeOf(path: string, { env }: Io): { path: string } | { host: string; port: number } {
  const own = parseEndpoint(DEFAULT_ENDPOINT);
  if (own.kind !== 'unix' || path !== own.path || existsSync(path)) return { path };
  const [lab] = labEndpoints(env);
  return lab === undefined ? { path } : lab.kind === 'unix' ? { path: lab.path } : { host: lab.host, port: lab.port };
}

function reasonOf(error: Error): string {
  return REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens on it',
  ENOTSOCK: 'that file is not a socket',
  EACCES:
    'permission denied: its user is not in the group of that socket, fleet for fleetd: sudo usermod -aG fleet USER',
};
