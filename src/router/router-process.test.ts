import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { type Clock, systemClock as clock } from '../lib/index.ts';
import { freePort } from '../lib/test-free-port.ts';
import { until } from '../lib/test-until.ts';
import { findRouter } from './predecessor.ts';
import { MemoryCatalog, open, temporary } from './test-router.ts';

const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;

async function startServer(t: TestContext, name: string): Promise<number> {
  const server = http.createServer((_, response) => void clock.after(5, () => response.end(name)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

/** Returns the response's text, or the error's code when there is no response. */
function ask(port: number, host = 'web.x'): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, agent: false, headers: { host } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve(response.statusCode === 200 ? body : String(response.statusCode)));
      response.on('error', (error) => resolve(error.message));
    });
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

for (const plane of ['process', 'haproxy'] as const) {
  const skip = plane === 'haproxy' && !hasHaproxy ? 'haproxy is not installed (apt install haproxy)' : false;
  describe(`the router process with router=${plane}`, { skip }, () => {
    test('what the catalog says is routed within a moment, and survives the death of the router process', async (t) => {
      const [catalog, directory, port] = [new MemoryCatalog(), temporary(t), await freePort()];
      const [one, two] = [await startServer(t, 'one'), await startServer(t, 'two')];
      catalog.set(one);
      const router = open(plane, catalog, directory, port);
      await until('it listens', () => router.listening.length > 0);
      assert.equal(await ask(port), 'one');
      catalog.set(two);
      await until('the other answers', async () => (await ask(port)) === 'two');
      const [report, ...rest] = await router.backends();
      assert.deepEqual([report?.id, report?.state, rest.length], [`m1/web-${two}`, 'up', 0]);
      process.kill(findRouter(directory)!.pid, 'SIGKILL');
      await until('it has gone', () => router.listening.length === 0);
      await until('another one answers', async () => (await ask(port)) === 'two');
      await router.close();
      await until('nobody listens', async () => (await ask(port)) === 'ECONNREFUSED');
      assert.equal(findRouter(directory), undefined);
    });

    test('a host whose last instance has gone responds with 503, a host that was never there with 404', async (t) => {
      const [catalog, directory, port] = [new MemoryCatalog(), temporary(t), await freePort()];
      const one = await startServer(t, 'one');
      catalog.set(one);
      const router = open(plane, catalog, directory, port);
      await until('it responds', async () => (await ask(port)) === 'one');
      catalog.set();
      await until('it is unavailable', async () => (await ask(port)) === '503');
      await router.caughtUp();
      assert.equal(await ask(port), '503');
      assert.equal(await ask(port, 'other.x'), '404');
      catalog.set(one);
      await until('it responds again', async () => (await ask(port)) === 'one');
    });

    test('a host whose last instance went long ago is no longer known', async (t) => {
      const [catalog, directory, port] = [new MemoryCatalog(), temporary(t), await freePort()];
      let aheadMs = 0;
      const later = new Set<() => void>();
      const moved: Clock = {
        ...clock,
        monotonic: () => clock.monotonic() + aheadMs,
        after: (ms, call) => {
          if (ms < 60_000) return clock.after(ms, call);
          later.add(call);
          return () => later.delete(call);
        },
      };
      catalog.set(await startServer(t, 'one'));
      const router = open(plane, catalog, directory, port, moved);
      await until('it responds', async () => (await ask(port)) === 'one');
      catalog.set();
      await until('it is unavailable', async () => (await ask(port)) === '503');
      await router.caughtUp();
      aheadMs = 3_600_000;
      for (const call of later) call();
      await until('it is unknown', async () => (await ask(port)) === '404');
    });

    test('a new fleetd puts its router in the place of the old one, and no request fails', async (t) => {
      const [catalog, directory, port] = [new MemoryCatalog(), temporary(t), await freePort()];
      catalog.set(await startServer(t, 'ok'));
      const before = open(plane, catalog, directory, port);
      await until('it listens', () => before.listening.length > 0);
      const first = findRouter(directory)!.pid;
      const answers = new Map<string, number>();
      let running = true;
      t.after(() => {
        running = false;
      });
      const clients = Array.from({ length: 4 }, async () => {
        while (running) {
          const answer = await ask(port);
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
        }
      });
      const after = open(plane, catalog, directory, port);
      await until('the new one listens', () => after.listening.length > 0);
      // The old process has half a minute for its requests in flight.
      await until('the old one has gone', () => before.listening.length === 0, 45_000);
      assert.notEqual(findRouter(directory)!.pid, first);
      await before.close();
      running = false;
      await Promise.all(clients);
      assert.deepEqual([...answers.keys()], ['ok']);
    });

    test('an address that is taken is named, and had as soon as it is free', async (t) => {
      const [catalog, directory] = [new MemoryCatalog(), temporary(t)];
      catalog.set(await startServer(t, 'ok'));
      const stranger = net.createServer().listen(0, '127.0.0.1');
      await once(stranger, 'listening');
      const { port } = stranger.address() as net.AddressInfo;
      const router = open(plane, catalog, directory, port);
      await until('it says why', () => /cannot listen on 127.0.0.1:\d+: somebody else/.test(router.failure ?? ''));
      await assert.rejects(router.backends(), { code: 'unavailable' });
      await new Promise((resolve) => stranger.close(resolve));
      await until('it answers', async () => (await ask(port)) === 'ok');
    });
  });
}

test('half a gigabyte goes up and down in little memory', async (t) => {
  const [catalog, directory, port] = [new MemoryCatalog(), temporary(t), await freePort()];
  const chunk = Buffer.alloc(1 << 20, 'x');
  const count = 512;
  const server = http.createServer((request, response) => {
    let bytes = 0;
    request.on('data', (data: Buffer) => {
      bytes += data.length;
    });
    request.on('end', () => {
      if (request.method === 'PUT') response.end(String(bytes));
      else Readable.from(Array.from({ length: count }, () => chunk)).pipe(response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  catalog.set((server.address() as net.AddressInfo).port);
  const router = open('process', catalog, directory, port);
  await until('it listens', () => router.listening.length > 0);
  const { pid } = findRouter(directory)!;
  const options = { host: '127.0.0.1', port, agent: false, headers: { host: 'web.x' } };

  const up = http.request({ ...options, method: 'PUT' });
  Readable.from(Array.from({ length: count }, () => chunk)).pipe(up);
  const [answer] = (await once(up, 'response')) as [http.IncomingMessage];
  assert.equal(String((await answer.toArray()).join('')), String(count * chunk.length));

  const [down] = (await once(http.get(options), 'response')) as [http.IncomingMessage];
  let received = 0;
  for await (const data of down) received += (data as Buffer).length;
  assert.equal(received, count * chunk.length);
  const peakKb = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
  assert.ok(peakKb < 256 * 1024, `${peakKb} KB at most`);
});
