/** What the router process makes of machines that leave, where HAProxy waits for what it has. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock as clock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { type Backend, NO_ROUTES, type RouteTable } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import { talkTo } from './data-plane-expect.ts';
import { ask, backendAt, type OpenPlane, planeFor, startBackend, testLog, upgrade } from './data-plane-harness.ts';
import { bounded } from './data-plane-misbehaving.ts';
import { rawBackend } from './data-plane-unusual.ts';
import { startMachine } from './silent-machine.ts';

const open: OpenPlane = (settings) => openProcessPlane({ settings, clock, log: testLog, table: NO_ROUTES });
const HEAD = 'HTTP/1.1\r\nHost: web.x\r\n';

test('requests at a machine that falls silent end when it leaves the catalog', async (t) => {
  const { port, plane } = await planeFor(t, open, { answerTimeoutMs: 600_000, connectTimeoutMs: 500 });
  const machine = await startMachine(t);
  const { backend: good } = await startBackend(t, 'good', (_, response) => response.end('good'));
  const lost = backendAt('lost', machine.port, 'm2');
  await plane.use(tableOf(1, ['m1', 'm2'], [lost]));
  const repeated = ask(port, { path: '/repeated' });
  const posted = ask(port, { method: 'POST', path: '/posted', body: 'x' });
  const stream = talkTo(t, port, `GET /stream ${HEAD}\r\n`);
  await stream.expect(/begun/);
  const tunnel = talkTo(t, port, upgrade('GET'));
  await tunnel.expect(/hi$/);
  await until('all wait', () => machine.seen('GET /repeated') && machine.seen('POST /posted'));
  await machine.fallSilent();
  await plane.use(tableOf(2, ['m1'], [good]));
  assert.equal((await bounded('what may be repeated goes elsewhere', repeated)).body, 'good');
  assert.equal((await bounded('what may not is refused', posted)).status, 502);
  await until('what has begun ends', () => stream.socket.destroyed && tunnel.socket.destroyed);
  assert.doesNotMatch(stream.text(), /\r\n0\r\n\r\n$/);
});

test('a backend that was taken out before its machine was lost is not waited for either', async (t) => {
  const { port, plane } = await planeFor(t, open, { answerTimeoutMs: 600_000, connectTimeoutMs: 500 });
  const machine = await startMachine(t);
  const { backend: good } = await startBackend(t, 'good', (_, response) => response.end('good'));
  await plane.use(tableOf(1, ['m1', 'm2'], [backendAt('lost', machine.port, 'm2')]));
  const repeated = ask(port, { path: '/repeated' });
  const posted = ask(port, { method: 'POST', path: '/posted', body: 'x' });
  await until('both wait', () => machine.seen('GET /repeated') && machine.seen('POST /posted'));
  await plane.use(tableOf(2, ['m1', 'm2'], [good]));
  await machine.fallSilent();
  await plane.use(tableOf(3, ['m1'], [good]));
  assert.equal((await bounded('what may be repeated goes elsewhere', repeated)).body, 'good');
  assert.equal((await bounded('what may not is refused', posted)).status, 502);
});

test('requests at a machine that left while it was up end once it falls silent, also when it had returned', async (t) => {
  const { port, plane } = await planeFor(t, open, { answerTimeoutMs: 600_000, connectTimeoutMs: 500 });
  const machine = await startMachine(t);
  const { backend: good } = await startBackend(t, 'good', (_, response) => response.end('good'));
  await plane.use(tableOf(1, ['m1', 'm2'], [backendAt('lost', machine.port, 'm2')]));
  const posted = ask(port, { method: 'POST', path: '/posted', body: 'x' });
  await until('it waits', () => machine.seen('POST /posted'));
  await plane.use(tableOf(2, ['m1'], [good]));
  await plane.use(tableOf(3, ['m1', 'm2'], [good]));
  await plane.use(tableOf(4, ['m1'], [good]));
  await machine.fallSilent();
  assert.equal((await bounded('what may not be repeated is refused', posted)).status, 502);
});

test('a backend that floods the router with informational responses gets no tunnel either', async (t) => {
  const { port, route } = await planeFor(t, open);
  const hints = 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(101);
  const agreed = 'HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
  await route(await rawBackend(t, hints + agreed, true));
  const { text, socket } = talkTo(t, port, upgrade('POST'));
  await until('the connection ends', () => socket.destroyed);
  assert.doesNotMatch(text(), /HTTP\/1\.1 101/);
  assert.match(text(), /HTTP\/1\.1 502/);
});

function tableOf(revision: number, machines: readonly string[], backends: readonly Backend[]): RouteTable {
  return { revision, machines, problems: [], routes: [{ host: 'web.*', path: '/', service: 'web', backends }] };
}
