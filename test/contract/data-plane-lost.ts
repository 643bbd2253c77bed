import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import type { Backend, Route, RouteTable } from '../../src/router/index.ts';
import { ask, backendAt, converse, type OpenPlane, planeFor, startBackend, upgrade } from './data-plane-harness.ts';
import { bounded } from './data-plane-misbehaving.ts';
import { startMachine } from './silent-machine.ts';

/** What becomes of requests at a machine that has left the catalog: nothing comes from there any more, nor any end. */
export function lostMachineContract(open: OpenPlane): void {
  for (const [what, more] of [
    ['its route stays', []],
    ['another route comes at the same time', [{ host: 'more.*', path: '/', service: 'more', backends: [] }]],
  ] as const)
    test(`a request that waits at a lost machine goes elsewhere if it may be repeated: ${what}`, async (t) => {
      // A request whose time is up goes elsewhere anyway.
      const { port, plane } = await planeFor(t, open, { answerTimeoutMs: 600_000 });
      const waiting: string[] = [];
      const mute = await startBackend(t, 'mute', ({ method }) => void waiting.push(method!));
      const { backend: good } = await startBackend(t, 'good', (_, response) => response.end('good'));
      const lost = { ...mute.backend, machine: 'm2', id: 'm2/mute' };
      await plane.use(tableOf(1, ['m1', 'm2'], [lost]));
      const repeated = ['GET', 'OPTIONS', 'PUT', 'DELETE'].map((method) => ask(port, { method }));
      const posted = ask(port, { method: 'POST', body: 'x' });
      let postedEnded = false;
      void posted.then(() => {
        postedEnded = true;
      });
      await until('they wait', () => waiting.length === 5);
      await plane.use(tableOf(2, ['m1', 'm2'], [lost, good]));
      await plane.use(tableOf(3, ['m1'], [good], more));
      for (const answer of await bounded('they get responses', Promise.all(repeated)))
        assert.equal(answer.body, 'good');
      // Its machine may carry it out all the same: it waits for the response, which may still come.
      assert.equal(postedEnded, false);
      assert.equal(waiting.length, 5);
      mute.server.closeAllConnections();
      assert.equal((await posted).status, 502);
    });

  test('a request that still connects to a lost machine goes elsewhere, also on a connection that was used before', async (t) => {
    const { port, plane } = await planeFor(t, open, { answerTimeoutMs: 600_000, connectTimeoutMs: 3000 });
    const machine = await startMachine(t);
    const { backend: good } = await startBackend(t, 'good', (_, response) => response.end('good'));
    const lost = backendAt('lost', machine.port, 'm2');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    await plane.use(tableOf(1, ['m1', 'm2'], [good, lost]));
    await machine.fallSilent();
    await plane.use(tableOf(2, ['m1', 'm2'], [good]));
    assert.equal((await ask(port, { agent })).body, 'good');
    await plane.use(tableOf(3, ['m1', 'm2'], [lost]));
    const answer = ask(port, { agent });
    await until('it connects', async () => (await plane.backends()).some(({ active }) => active === 1));
    await plane.use(tableOf(4, ['m1'], [good]));
    assert.equal((await bounded('it gets a response', answer)).body, 'good');
  });

  test('what a lost machine has begun to send goes on, as long as it comes', async (t) => {
    const { port, plane } = await planeFor(t, open);
    let stream: http.ServerResponse | undefined;
    const { backend, server } = await startBackend(t, 'a', (_, response) => {
      stream = response;
      response.write('begun ');
    });
    server.on('upgrade', (_: http.IncomingMessage, socket: net.Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi');
      socket.on('error', () => {}).pipe(socket);
    });
    const { backend: good } = await startBackend(t, 'good', (_, response) => response.end('good'));
    const lost = { ...backend, machine: 'm2', id: 'm2/a' };
    await plane.use(tableOf(1, ['m1', 'm2'], [lost]));
    const request = http.get({ host: '127.0.0.1', port, agent: false, headers: { host: 'web.x' } });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const socket = await converse(t, port, upgrade('GET'), /hi$/);
    await plane.use(tableOf(2, ['m1'], [good]));
    await until('new requests go elsewhere', async () => (await ask(port)).body === 'good');
    stream!.end('ended');
    await once(response, 'end');
    assert.equal(text, 'begun ended');
    socket.write('ping');
    assert.deepEqual(await once(socket, 'data'), ['ping']);
    socket.destroy();
  });
}

function tableOf(
  revision: number,
  machines: readonly string[],
  backends: readonly Backend[],
  more: readonly Route[] = [],
): RouteTable {
  const routes = [...more, { host: 'web.*', path: '/', service: 'web', backends }];
  return { revision, machines, problems: [], routes };
}
