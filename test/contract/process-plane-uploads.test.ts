/** What the router process makes of uploads, where HAProxy has its own ways. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type http from 'node:http';
import { test } from 'node:test';
import { type Clock, systemClock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { NO_ROUTES } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import { talkTo } from './data-plane-expect.ts';
import { type OpenPlane, planeFor, startBackend, testLog } from './data-plane-harness.ts';
import { bounded, refusingBackend } from './data-plane-misbehaving.ts';
import { rawBackend } from './data-plane-unusual.ts';

const open: OpenPlane = (settings) =>
  openProcessPlane({ settings, clock: systemClock, log: testLog, table: NO_ROUTES });
/** On a busy computer, too, an instance responds before its time is up. */
const slow: Clock = { ...systemClock, after: (ms, fn) => systemClock.after(ms * 60, fn) };
const openSlow: OpenPlane = (settings) => openProcessPlane({ settings, clock: slow, log: testLog, table: NO_ROUTES });
const expecting = (more: string) => `POST / HTTP/1.1\r\nHost: web.x\r\nExpect: 100-continue\r\n${more}\r\n`;

test('a backend that never says 100 gets the body after a while', async (t) => {
  const { port, route } = await planeFor(t, open);
  const { backend, server } = await startBackend(t, 'a', (_, response) => response.end('never asked'));
  server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => response.end(`got ${body}`));
  });
  await route(backend);
  const client = talkTo(t, port, expecting('Content-Length: 4\r\n'));
  await client.expect(/^HTTP\/1\.1 100 .*\r\n\r\n$/s);
  client.socket.write('body');
  await client.expect(/\r\n\r\nHTTP\/1\.1 200 .*got body$/s);
});

test('a backend that says 100 without an end has failed', async (t) => {
  const { port, route } = await planeFor(t, open);
  await route(await rawBackend(t, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)));
  const client = talkTo(t, port, expecting('Content-Length: 4\r\n'));
  await client.expect(/HTTP\/1\.1 502 /);
});

test('a backend that changes the protocol unasked, or breaks off, has failed', async (t) => {
  const { port, route } = await planeFor(t, open);
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
  for (const [bytes, end] of [
    [switching, false],
    [switching, true],
    ['', true],
    ['HTTP/1.1 20', true],
  ] as const) {
    await route(await rawBackend(t, bytes, end));
    const client = talkTo(t, port, expecting('Content-Length: 4\r\n'));
    await client.expect(/^HTTP\/1\.1 502 /);
  }
});

test('a backend that takes a whole body and never responds costs a 504', async (t) => {
  const { port, route } = await planeFor(t, open, { answerTimeoutMs: 300 });
  await route(await rawBackend(t, 'HTTP/1.1 100 Continue\r\n\r\n'));
  const client = talkTo(t, port, expecting('Content-Length: 4\r\n'));
  await client.expect(/^HTTP\/1\.1 100 /);
  client.socket.write('body');
  await client.expect(/HTTP\/1\.1 504 /);
});

test('the connection of a refused body ends; that of a body which was read goes on', async (t) => {
  const { port, route } = await planeFor(t, openSlow);
  await route(await rawBackend(t, 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno'));
  const refused = talkTo(t, port, expecting('Content-Length: 4\r\n'));
  await bounded('the end', once(refused.socket, 'close'));
  assert.match(refused.text(), /^HTTP\/1\.1 413 .*\r\nconnection: close\r\n.*no$/is);
  const { backend, server } = await startBackend(t, 'a', (_, response) => response.end('never asked'));
  server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
    response.writeContinue();
    request.on('end', () => response.end('taken')).resume();
  });
  await route(backend);
  const client = talkTo(t, port, expecting('Content-Length: 4\r\n'));
  for (let turn = 1; turn <= 3; turn++) {
    await until('it is wanted', () => client.text().split(' 100 Continue').length === turn + 1);
    client.socket.write('body');
    await until('it is taken', () => client.text().split('taken').length === turn + 1);
    client.socket.write(expecting('Content-Length: 4\r\n'));
  }
});

test('a client that sends a refused body unasked reads the response', async (t) => {
  const { port, route } = await planeFor(t, open);
  await route(await rawBackend(t, 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno'));
  const size = 8 << 20;
  const client = talkTo(t, port, expecting(`Content-Length: ${size}\r\n`) + 'u'.repeat(1000));
  client.socket.write(Buffer.alloc(size - 1000));
  await client.expect(/HTTP\/1\.1 413 .*no$/s);
  client.socket.write('GET /again HTTP/1.1\r\nHost: web.x\r\n\r\n');
  await client.expect(/HTTP\/1\.1 413 .*no.*HTTP\/1\.1 413 .*no$/s);
});

test('a request with an expectation for which there is no route is refused without its body', async (t) => {
  const { port } = await planeFor(t, open);
  const client = talkTo(t, port, expecting('Content-Length: 4\r\n'));
  await client.expect(/^HTTP\/1\.1 404 /);
});

test('an upload whose client goes away ends at the backend', async (t) => {
  const { port, route } = await planeFor(t, open);
  const { backend, server } = await startBackend(t, 'a', (_, response) => response.end('never asked'));
  let gone = false;
  server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
    response.writeContinue();
    request.on('error', () => {}).resume();
    request.on('close', () => {
      gone = !request.complete;
    });
  });
  await route(backend);
  const client = talkTo(t, port, expecting('Content-Length: 100\r\n'));
  await client.expect(/^HTTP\/1\.1 100 /);
  client.socket.write('part');
  client.socket.destroy();
  await until('it is gone', () => gone);
});

test('an upload that goes on and on after its response is cut off', async (t) => {
  // Its minutes are seconds.
  const fast: Clock = { ...systemClock, after: (ms, fn) => systemClock.after(ms / 60, fn) };
  const { port, route } = await planeFor(t, (settings) =>
    openProcessPlane({ settings, clock: fast, log: testLog, table: NO_ROUTES }),
  );
  await route(await refusingBackend(t));
  const client = talkTo(t, port, 'POST / HTTP/1.1\r\nHost: web.x\r\nContent-Length: 1000000\r\n\r\n');
  const trickle = setInterval(() => client.socket.write('u'), 10);
  t.after(() => clearInterval(trickle));
  await client.expect(/^HTTP\/1\.1 413 .*too large$/s);
  await until('the connection ends', () => client.socket.destroyed);
});
