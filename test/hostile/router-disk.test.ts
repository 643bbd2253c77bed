import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/lib/test-free-port.ts';
import { until } from '../../src/lib/test-until.ts';
import type { Router } from '../../src/router/index.ts';
import { findRouter } from '../../src/router/predecessor.ts';
import { MemoryCatalog, open, temporary } from '../../src/router/test-router.ts';

const isRoot = process.getuid!() === 0;

/** A router directory on a file system of 64 KB; the routers that are opened there end before it goes. */
function smallDisk(t: TestContext): { readonly directory: string; readonly routers: Router[] } {
  const routers: Router[] = [];
  let directory = '';
  t.after(async () => {
    await Promise.all(routers.map((router) => router.close()));
    assert.equal(spawnSync('umount', ['-l', directory]).status, 0);
  });
  directory = temporary(t);
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status, 0);
  return { directory, routers };
}

async function startServer(t: TestContext): Promise<number> {
  const server = http.createServer((_, response) => response.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function ask(port: number): Promise<string> {
  const request = http.get({ host: '127.0.0.1', port, agent: false, headers: { host: 'web.x' } });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return String((await response.toArray()).join(''));
}

const skip = isRoot ? false : 'mounting a small file system takes root';

for (const plane of ['process', 'haproxy'] as const) {
  test(`a fleetd that starts on a full disk leaves its machine a router (router=${plane})`, { skip }, async (t) => {
    const [catalog, { directory, routers }, port] = [new MemoryCatalog(), smallDisk(t), await freePort()];
    catalog.set(await startServer(t));
    const before = open(plane, catalog, directory, port);
    routers.push(before);
    await until('it listens', () => before.listening.length > 0);
    const first = findRouter(directory)!.pid;
    const filling = path.join(directory, 'filling');
    assert.throws(() => writeFileSync(filling, Buffer.alloc(1 << 20)), { code: 'ENOSPC' });
    const after = open(plane, catalog, directory, port);
    routers.push(after);
    await until('the new one listens, or says why not', () => after.failure !== 'it is still starting');
    assert.equal(await ask(port), 'ok');
    assert.ok(findRouter(directory), 'the router can be found');
    rmSync(filling);
    await until('the new one listens', () => after.listening.length > 0);
    assert.notEqual(findRouter(directory)!.pid, first);
    assert.equal(await ask(port), 'ok');
  });
}

test('a router that cannot be recorded leaves the one before it alone', { skip }, async (t) => {
  const [catalog, { directory, routers }, port] = [new MemoryCatalog(), smallDisk(t), await freePort()];
  catalog.set(await startServer(t));
  const before = open('process', catalog, directory, port);
  routers.push(before);
  await until('it listens', () => before.listening.length > 0);
  const first = findRouter(directory)!.pid;
  assert.equal(spawnSync('mount', ['-o', 'remount,ro', directory]).status, 0);
  const after = open('process', catalog, directory, port);
  routers.push(after);
  await until('the new one says why', () => /read-only/.test(after.failure ?? ''));
  assert.equal(await ask(port), 'ok');
  assert.equal(findRouter(directory)!.pid, first);
  assert.equal(before.listening.length > 0, true);
  assert.equal(spawnSync('mount', ['-o', 'remount,rw', directory]).status, 0);
  await until('the new one listens', () => after.listening.length > 0);
});
