import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { FlotillaError, messageOf } from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { OutputClosed } from '../io.ts';

/** `fleetctl fd-forward`: joins stdin and stdout to a unix socket until the socket's other end has closed. */
export async function forwardTo({ args }: Context): Promise<number> {
  const [path, ...others] = args;
  if (!path || others.length > 0) throw new FlotillaError('usage', 'Name one unix socket.');
  const socket = connect({ path, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) => {
      reject(new FlotillaError('unavailable', `cannot connect to ${path} (${reasonOf(error)})`));
    });
  });
  // What cannot be sent any more, the other end has no use for: it has closed, or is about to.
  pipeline(process.stdin, socket).catch(() => {});
  try {
    await pipeline(socket, process.stdout, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') throw new OutputClosed();
    throw new FlotillaError('unavailable', `the connection to ${path} broke: ${messageOf(error)}`);
  }
  return 0;
}

function reasonOf(error: Error): string {
  return REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens on it',
  ENOTSOCK: 'that file is not a socket',
  EACCES: 'permission denied',
};
