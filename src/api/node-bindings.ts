import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

/** Exempts the request's connection from the inactivity limit: a followed journal may be quiet for hours. */
export function noSocketTimeout(c: Context): void {
  // Absent when a Request is handled without a socket.
  (c.env as Partial<HttpBindings> | undefined)?.incoming?.socket.setTimeout(0);
}
