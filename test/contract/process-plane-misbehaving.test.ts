/** What the router process makes of misbehaving backends, where HAProxy has its own ways. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { systemClock as clock } from '../../src/lib/index.ts';
import { NO_ROUTES } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import { askRaw, type OpenPlane, planeFor, startBackend, testLog } from './data-plane-harness.ts';
import { bounded, refusingBackend } from './data-plane-misbehaving.ts';
import { rawBackend } from './data-plane-unusual.ts';

const open: OpenPlane = (settings) => openProcessPlane({ settings, clock, log: testLog, table: NO_ROUTES });

test('a reason phrase with control characters is replaced by the usual one', async (t) => {
  const { port, route } = await planeFor(t, open);
  for (const phrase of ['a\x01b', '\x1b[31mred', 'a\x7f']) {
    await route(await rawBackend(t, `HTTP/1.1 201 ${phrase}\r\nContent-Length: 2\r\n\r\nhi`));
    const text = await bounded(
      phrase,
      askRaw(port, 'GET / HTTP/1.1\r\nHost: web.x\r\nConnection: close\r\n\r\n', false),
    );
    assert.match(text, /^HTTP\/1\.1 201 Created\r\n.*hi$/s);
  }
});

test('a method that nobody knows is refused with 501, what is no request with 400', async (t) => {
  const { port, route } = await planeFor(t, open);
  await route((await startBackend(t, 'a', (_, response) => response.end('reached'))).backend);
  assert.match(await askRaw(port, 'BREW /pot HTTP/1.1\r\nHost: web.x\r\n\r\n', false), /^HTTP\/1\.1 501 /);
  assert.match(await askRaw(port, 'BREW pot\r\n\r\n', false), /^HTTP\/1\.1 400 /);
});

test('a response to an upload that nobody reads arrives, and the rest of the upload is dropped', async (t) => {
  const { port, route } = await planeFor(t, open);
  await route(await refusingBackend(t));
  const socket = net.connect({ host: '127.0.0.1', port }).setEncoding('latin1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  const size = 30 * 1024 * 1024;
  socket.write(`POST / HTTP/1.1\r\nHost: web.x\r\nContent-Length: ${size}\r\n\r\n`);
  // This client reads nothing before it has sent everything, unless the connection is closed under it.
  socket.pause();
  const sent = new Promise<void>((resolve) => void socket.write(Buffer.alloc(size), () => resolve()));
  await bounded('the upload', Promise.race([sent, once(socket, 'close')]));
  let text = '';
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  socket.resume();
  const seen = async () => {
    while (!text.includes('too large')) await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  };
  await bounded('the response', seen());
  assert.match(text, /^HTTP\/1\.1 413 /);
});
