import type { ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { mayBeQuiet } from '../lib/index.ts';

/** Takes a client that closes its side as gone: an answer that has no end would otherwise outlive it. */
export function endWithClient(c: Context): void {
  const { incoming, outgoing } = bindingsOf(c);
  if (!incoming || !outgoing) return;
  const { socket } = incoming;
  // A body that nobody reads stops the socket, and its end is not seen then.
  incoming.resume();
  const end = () => socket.destroy();
  if (socket.readableEnded) end();
  socket.once('end', end);
  outgoing.once('close', () => socket.off('end', end));
}

/** Exempts the response from the inactivity limit while its client reads: a followed journal may be quiet for hours. */
export function allowQuiet(c: Context): void {
  const { outgoing } = bindingsOf(c);
  // No listener of ours speaks HTTP/2.
  if (outgoing) mayBeQuiet(outgoing as ServerResponse);
}

/** Empty when a Request is handled without a socket. */
function bindingsOf(c: Context): Partial<HttpBindings> {
  return c.env ?? {};
}
