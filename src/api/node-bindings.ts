import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

/** Takes a client that closes its side as gone: an answer that has no end would otherwise outlive it. */
export function endWithClient(c: Context): void {
  const { incoming, outgoing } = bindingsOf(c);
  if (!incoming || !outgoing) return;
  const { socket } = incoming;
  const end = () => socket.destroy();
  if (socket.readableEnded) end();
  socket.once('end', end);
  outgoing.once('close', () => socket.off('end', end));
}

/** Exempts the request's connection from the inactivity limit: a followed journal may be quiet for hours. */
export function noSocketTimeout(c: Context): void {
  bindingsOf(c).incoming?.socket.setTimeout(0);
}

/** Empty when a Request is handled without a socket. */
function bindingsOf(c: Context): Partial<HttpBindings> {
  return c.env ?? {};
}
