/** What the router process makes of misbehaving backends, where HAProxy has its own ways. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { systemClock as clock } from '../../src/lib/index.ts';
import { NO_ROUTES } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import {
  ask,
  askRaw,
  converse,
  type OpenPlane,
  planeFor,
  startBackend,
  testLog,
  upgrade,
} from './data-plane-harness.ts';
import { bounded, refusingBackend } from './data-plane-misbehaving.ts';
import { rawBackend } from './data-plane-unusual.ts';

const GET = 'GET / HTTP/1.1\r\nHost: web.x\r\nConnection: close\r\n\r\n';
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

test('endless informational responses are none, and cost one backend its request', async (t) => {
  const { port, route } = await planeFor(t, open);
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  const large = `HTTP/1.1 103 Early Hints\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n`;
  for (const endless of [hints.repeat(101), large.repeat(2)]) {
    await route(await rawBackend(t, `${endless}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`));
    for (const request of [GET, upgrade('GET')]) {
      const text = await bounded('the response', askRaw(port, request, false));
      assert.deepEqual(text.match(/^HTTP\/1\.1 [2-5]\d\d/gm), ['HTTP/1.1 502']);
    }
  }
  await route(await rawBackend(t, `${hints.repeat(99)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`));
  assert.match(await bounded('the response', askRaw(port, GET, false)), /HTTP\/1\.1 200 .*hi$/s);
});

test('informational responses come before the answer to a request for another protocol, too', async (t) => {
  const { port, route } = await planeFor(t, open);
  await route(
    await rawBackend(
      t,
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi',
    ),
  );
  await converse(t, port, upgrade('GET'), /^HTTP\/1\.1 103 [\w ]+\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 101 .*\r\n\r\nhi$/s);
});

test('a response that breaks off is seen to be broken, also by a client that asked for another protocol', async (t) => {
  const { port, route } = await planeFor(t, open);
  await route(await rawBackend(t, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n', true));
  const socket = net.connect(port, '127.0.0.1', () => socket.write(upgrade('GET')));
  t.after(() => socket.destroy());
  let error: NodeJS.ErrnoException | undefined;
  socket.on('error', (given) => {
    error = given;
  });
  socket.resume();
  await bounded('the end', new Promise((resolve) => socket.on('close', resolve)));
  assert.equal(error?.code, 'ECONNRESET');
});

test('a client of HTTP/1.0 gets no informational responses, chunks or trailers', async (t) => {
  const { port, route } = await planeFor(t, open);
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n';
  await route(await rawBackend(t, `${hints}${head}2\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n`));
  const text = await bounded('the response', askRaw(port, 'GET / HTTP/1.0\r\nHost: web.x\r\n\r\n', false));
  assert.match(text, /^HTTP\/1\.[01] 200 .*\r\n\r\nhi$/s);
  assert.equal((await bounded('the head', ask(port, { method: 'HEAD' }))).status, 200);
});

test('trailers that would change what the head said are dropped', async (t) => {
  const { port, route } = await planeFor(t, open);
  const trailers = 'Content-Type: a/b\r\nSet-Cookie: a=b\r\nConnection: close\r\nX-Sum: 42\r\n';
  const announced = 'Trailer: Content-Type, X-Sum\r\n';
  const head = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${announced}\r\n`;
  await route(await rawBackend(t, `${head}2\r\nhi\r\n0\r\n${trailers}\r\n`));
  const text = await bounded('the response', askRaw(port, GET, false));
  assert.match(text, /\r\nTrailer: X-Sum\r\n/i);
  assert.match(text, /\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n$/);
});

test('a path that is no URL is refused with a sentence, and bytes that are encoded go through', async (t) => {
  const { port, route } = await planeFor(t, open);
  await route((await startBackend(t, 'a', ({ url }, response) => response.end(url))).backend);
  const raw = Buffer.from('GET /gr\u00fc\u00dfe HTTP/1.1\r\nHost: web.x\r\n\r\n');
  assert.match(await bounded('the refusal', askRaw(port, raw, false)), /^HTTP\/1\.1 400 .*percent-encoded/s);
  assert.match(
    await askRaw(port, GET.replace('/ ', '/gr%C3%BC%C3%9Fe?\u007e=[%ff] '), false),
    /\/gr%C3%BC%C3%9Fe\?~=\[%ff\]$/,
  );
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
