/** What the router process makes of machines that leave, where HAProxy waits for what it has. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock as clock } from '../../src/lib/index.ts';
import { type Backend, NO_ROUTES, type RouteTable } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import { talkTo } from './data-plane-expect.ts';
import {
  ask,
  backendAt,
  type OpenPlane,
  planeFor,
  startBackend,
  testLog,
  until,
  upgrade,
} from './data-plane-harness.ts';
import { bounded } from './data-plane-misbehaving.ts';

const open: OpenPlane = (settings) => openProcessPlane({ settings, clock, log: testLog, table: NO_ROUTES });
const HEAD = 'HTTP/1.1\r\nHost: web.x\r\n';

/** Prints its port, then the request line of each request; begins a response to /stream, and agrees to upgrades. */
const BACKEND = `
const server = require('node:http').createServer((request, response) => {
  console.log(request.method + ' ' + request.url);
  if (request.url === '/stream') response.write('begun');
});
server.on('upgrade', (request, socket) => {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Yes\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\nhi');
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));
`;

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

interface SilentMachine {
  readonly port: number;
  seen(line: string): boolean;
  /** No new connection gets an answer from now on, nor does any old one. */
  fallSilent(): Promise<void>;
}

/** A backend whose machine can fall silent: a stopped process whose queue of connections is full drops all further ones. */
async function startMachine(test: TestContext): Promise<SilentMachine> {
  const child = spawn(process.execPath, ['-e', BACKEND], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.after(() => endChild(child));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await until('it listens', () => output.includes('\n'));
  const port = Number(output.split('\n')[0]);
  return {
    port,
    seen: (line) => output.split('\n').includes(line),
    async fallSilent() {
      child.kill('SIGSTOP');
      await until('nothing is accepted', async () => {
        const socket = net.connect({ host: '127.0.0.1', port });
        test.after(() => socket.destroy());
        socket.on('error', () => {});
        return !(await Promise.race([once(socket, 'connect'), clock.sleep(1000)]));
      });
    },
  };
}

async function endChild(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

function tableOf(revision: number, machines: readonly string[], backends: readonly Backend[]): RouteTable {
  return { revision, machines, problems: [], routes: [{ host: 'web.*', path: '/', service: 'web', backends }] };
}
