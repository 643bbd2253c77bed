import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { systemClock as clock } from '../lib/index.ts';
import { freePort } from '../lib/test-free-port.ts';
import { until } from '../lib/test-until.ts';
import { findProcess, findRouter, HAPROXY_PID } from './predecessor.ts';
import { MemoryCatalog, open, type Plane, temporary } from './test-router.ts';

const WANTED = 10_000;
/** Connections per source address, well below the number of ports. */
const OF_ONE_ADDRESS = 2500;
const AT_ONCE = 250;
const CONNECT_LIMIT_MS = 90_000;
/** The handshake of RFC 6455 §1.3, with its sample key. */
const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: web.x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');
const SWITCHED = [
  'HTTP/1.1 101 Switching Protocols',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  '\r\n',
].join('\r\n');

const noHaproxy = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed (apt install haproxy)';

/** Returns the connections that one process can hold under the limit of open files, which root can raise. */
function countHere(): number {
  spawnSync('prlimit', ['--pid', String(process.pid), '--nofile=65536:65536']);
  const [, limit] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))!;
  // Each connection takes two sockets at the router, and two here: the client's and the backend's.
  return limit === 'unlimited' ? WANTED : Math.min(WANTED, Math.floor((Number(limit) - 500) / 2));
}

const residentKib = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);

/** Starts a backend that upgrades and then echoes every byte. */
async function startEcho(t: TestContext): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = http.createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1', 4096);
  server.on('upgrade', (_, socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).pipe(socket);
    socket.write(SWITCHED);
  });
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

async function connectMany(port: number, count: number, t: TestContext): Promise<readonly net.Socket[]> {
  const sockets: net.Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const signal = AbortSignal.timeout(CONNECT_LIMIT_MS);
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, async () => {
      const localAddress = `127.0.7.${1 + Math.floor(sockets.length / OF_ONE_ADDRESS)}`;
      const socket = net.connect({ host: '127.0.0.1', port, localAddress });
      sockets.push(socket);
      socket.write(UPGRADE);
      const [head] = (await once(socket, 'data', { signal })) as [Buffer];
      assert.match(String(head), /^HTTP\/1\.1 101 /);
    });
    await Promise.all(batch);
  }
  return sockets;
}

function ask(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, agent: false, headers: { host: 'web.x' } }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode!));
      })
      .on('error', reject);
  });
}

function silentContract(plane: Plane, skip: string | false): void {
  describe(`silent WebSockets with router=${plane}`, { skip }, () => {
    test('ten thousand take little memory, no more as time goes by, and nothing from others', async (t) => {
      const [catalog, directory, port] = [new MemoryCatalog(), temporary(t), await freePort()];
      const count = countHere();
      catalog.set(await startEcho(t));
      const router = open(plane, catalog, directory, port);
      await until('it listens', () => router.listening.length > 0);
      assert.equal(await ask(port), 200);
      const { pid } = plane === 'haproxy' ? findProcess(directory, HAPROXY_PID)! : findRouter(directory)!;
      const alone = residentKib(pid);
      const sockets = await connectMany(port, count, t);
      const full = residentKib(pid);
      await clock.sleep(2000);
      const later = residentKib(pid);
      console.log(
        `${count} at ${plane}: ${((full - alone) / count).toFixed(1)} KiB each, ${later - full} KiB more later`,
      );
      assert.ok((full - alone) / count < 64, `${(full - alone) / count} KiB each`);
      assert.ok(later < 1.1 * full, `${full} KiB, then ${later}`);
      assert.equal(await ask(port), 200);
      for (const socket of [sockets[0]!, sockets.at(-1)!]) {
        socket.write('still there');
        assert.equal(String((await once(socket, 'data', { signal: t.signal }))[0]), 'still there');
      }
    });
  });
}

silentContract('process', false);
silentContract('haproxy', noHaproxy);
