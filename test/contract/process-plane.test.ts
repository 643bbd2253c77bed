import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { systemClock as clock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { NO_ROUTES } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import {
  ask,
  askRaw,
  backendAt,
  closedPort,
  type OpenPlane,
  planeFor,
  startBackend,
  temporary,
  testLog,
} from './data-plane-harness.ts';
import { makePem, noOpenssl } from './make-certificate.ts';

const open: OpenPlane = (settings) => openProcessPlane({ settings, clock, log: testLog, table: NO_ROUTES });
const whoAsks: http.RequestListener = ({ headers }, response) =>
  response.end(`${headers['x-real-ip']} ${headers['x-forwarded-proto']}`);

test('headers that one side declares to be about its connection stay there', async (t) => {
  const { port, route } = await planeFor(t, open);
  const { backend } = await startBackend(t, 'a', (request, response) => {
    response.setHeader('x-hop', 'secret').setHeader('connection', 'keep-alive, x-hop');
    response.end(JSON.stringify(request.headers));
  });
  await route(backend);
  const { headers, body } = await ask(port, { headers: { connection: 'close, x-private', 'x-private': 'hop' } });
  assert.equal(headers['x-hop'], undefined);
  assert.equal((JSON.parse(body) as http.IncomingHttpHeaders)['x-private'], undefined);
});

test('a head of 1 MB is answered, not only cut off', async (t) => {
  const { port } = await planeFor(t, open);
  const text = `GET / HTTP/1.1\r\nHost: web.x\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\n`;
  assert.match(await askRaw(port, text, false), /^HTTP\/1\.1 431 [\s\S]*larger than 32768 bytes/);
});

test('a backend that was asked before it listened is asked again soon', async (t) => {
  const { port, route, plane } = await planeFor(t, open);
  const good = await startBackend(t, 'good', (_, response) => response.end('good'));
  const late = backendAt('late', await closedPort());
  await route(late, good.backend);
  await until('it rests', async () => {
    assert.equal((await ask(port)).body, 'good');
    return (await plane.backends()).some(({ id, state }) => id === late.id && state === 'resting');
  });
  const server = net.createServer((socket) => {
    socket.on('error', () => {}).resume();
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlate');
  });
  server.listen(late.port, late.address);
  t.after(() => server.close());
  await until('the late one answers', async () => (await ask(port)).body === 'late');
});

test('a request that waits at a machine that is lost goes to another one', async (t) => {
  const { port, plane } = await planeFor(t, open);
  let waiting = 0;
  const mute = await startBackend(t, 'mute', () => void waiting++);
  const good = await startBackend(t, 'good', (_, response) => response.end('good'));
  const lost = { ...mute.backend, machine: 'm2', id: 'm2/mute' };
  const table = (machines: string[], backends: (typeof lost)[]) => ({
    revision: machines.length,
    machines,
    problems: [],
    routes: [{ host: 'web.*', path: '/', service: 'web', backends }],
  });
  await plane.use(table(['m1', 'm2'], [lost]));
  const asked = ask(port);
  await until('it waits', () => waiting === 1);
  await plane.use(table(['m1'], [good.backend]));
  assert.equal((await asked).body, 'good');
});

test('a request that fails at one machine goes to another one, however many backends the first has', async (t) => {
  const { port, route } = await planeFor(t, open, { maxFailures: 1000 });
  const dead = await Promise.all([1, 2, 3, 4].map(async (n) => backendAt(`dead-${n}`, await closedPort(), 'm2')));
  const { backend } = await startBackend(t, 'good', (_, response) => response.end('good'));
  await route(...dead, backend);
  for (let count = 0; count < 20; count++) assert.equal((await ask(port)).body, 'good');
});

test('the PROXY protocol says who asks, in both versions, and nothing else is taken', async (t) => {
  const { port, route } = await planeFor(t, open, { proxyProtocol: true });
  await route((await startBackend(t, 'a', whoAsks)).backend);
  const request = 'GET / HTTP/1.1\r\nHost: web.x\r\nConnection: close\r\n\r\n';
  const v2 = (command: number, address: readonly number[]) => {
    const body = Buffer.from([...address, 127, 0, 0, 1, 0x12, 0x34, 0, 80]);
    const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
    return Buffer.concat([signature, Buffer.from([command, 0x11, 0, body.length]), body, Buffer.from(request)]);
  };
  assert.match(await askRaw(port, `PROXY TCP4 9.8.7.6 127.0.0.1 1 80\r\n${request}`, false), /9\.8\.7\.6 http$/);
  assert.match(await askRaw(port, `PROXY TCP6 2001:db8::1 ::1 1 80\r\n${request}`, false), /2001:db8::1 http$/);
  assert.match(await askRaw(port, `PROXY UNKNOWN\r\n${request}`, false), /127\.0\.0\.1 http$/);
  assert.match(await askRaw(port, v2(0x21, [9, 8, 7, 6]), false), /9\.8\.7\.6 http$/);
  assert.match(await askRaw(port, v2(0x20, [9, 8, 7, 6]), false), /127\.0\.0\.1 http$/);
  assert.equal(await askRaw(port, request, false), '');
  assert.equal(await askRaw(port, `PROXY TCP4 999.8.7.6 127.0.0.1 1 80\r\n${request}`, false), '');
  const socket = net.connect({ host: '127.0.0.1', port });
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  const closed = once(socket, 'close');
  for (const byte of `PROXY TCP4 9.8.7.6 127.0.0.1 1 80\r\n${request}`) {
    socket.write(byte);
    await clock.sleep(0);
  }
  await closed;
  assert.match(answer, /9\.8\.7\.6 http$/);
});

/** Writes FILE.pem with a new certificate for `name`, and its key. */
function writeCertificate(directory: string, file: string, name: string): void {
  writeFileSync(path.join(directory, `${file}.pem`), makePem(name));
}

test('TLS with the certificate for the host that is asked for, and plain HTTP redirected to it', {
  skip: noOpenssl,
}, async (t) => {
  const certificates = temporary(t);
  writeCertificate(certificates, 'a', 'a.example.com');
  writeCertificate(certificates, 'b', '*.b.example.com');
  const listenTls = [{ host: '127.0.0.1', port: 0 }];
  const { plane, port, route } = await planeFor(t, open, { certificates, listenTls, redirectToTls: true });
  await route((await startBackend(t, 'a', whoAsks)).backend);
  const securePort = Number(new URL(plane.listening[1]!).port);
  for (const [servername, expected] of [
    ['a.example.com', 'a.example.com'],
    ['x.b.example.com', '*.b.example.com'],
    ['other.com', 'a.example.com'],
  ]) {
    const socket = tls.connect({ host: '127.0.0.1', port: securePort, servername, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    assert.equal(socket.getPeerCertificate().subject.CN, expected);
    socket.write('GET / HTTP/1.1\r\nHost: web.x\r\nConnection: close\r\n\r\n');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    await once(socket, 'close');
    assert.match(text, /127\.0\.0\.1 https$/);
  }
  writeCertificate(certificates, 'a', 'renewed.example.com');
  const nameless = async () => {
    const socket = tls.connect({ host: '127.0.0.1', port: securePort, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
  };
  await until('the renewed one is shown', async () => (await nameless()) === 'renewed.example.com');
  const upgrade = 'GET / HTTP/1.1\r\nHost: web.x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n';
  assert.match(await askRaw(port, upgrade), /^HTTP\/1\.1 308 /);
  const { status, headers } = await ask(port, { path: '/x?y=z', headers: { host: 'web.example.com:8080' } });
  assert.deepEqual([status, headers.location], [308, 'https://web.example.com/x?y=z']);
});

test('each request is one line of the access log, whatever its client writes', async (t) => {
  const accessLog = path.join(temporary(t), 'access.log');
  const { port, route } = await planeFor(t, open, { accessLog });
  const { backend } = await startBackend(t, 'a', (_, response) => response.writeHead(201).end('hello'));
  await route(backend);
  await ask(port, { path: '/x', headers: { 'user-agent': 'me "quoted\\ \xfc' } });
  await until('it is written', () => readFileSync(accessLog, 'utf8').endsWith('\n'));
  const line =
    /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/x HTTP\/1\.1" 201 \d+ "-" "me \\x22quoted\\x5c \\xfc" "web\.example\.com" (\S+) [\d.]+\n$/;
  const [, address] = line.exec(readFileSync(accessLog, 'utf8')) ?? [];
  assert.equal(address, `127.0.0.1:${backend.port}`);
});

test('a client that stops within a body, or does not read its answer, is cut off; one that waits is not', async (t) => {
  const { port, route } = await planeFor(t, open, { clientTimeoutMs: 500 });
  let begun: http.ServerResponse | undefined;
  const { backend } = await startBackend(t, 'a', (request, response) => {
    if (request.method === 'GET') begun = response;
    else request.resume();
  });
  await route(backend);
  const waiting = ask(port);
  const stalled = 'POST / HTTP/1.1\r\nHost: web.x\r\nContent-Length: 10\r\n\r\nhalf';
  await askRaw(port, stalled, false);
  await askRaw(port, stalled, false);
  begun!.end('after a long while');
  assert.equal((await waiting).body, 'after a long while');
});

test('backends of one address are told apart by who they are', async (t) => {
  const { plane, port } = await planeFor(t, open);
  const { backend } = await startBackend(t, 'a', (_, response) => response.end('ok'));
  const twin = backendAt('b', backend.port);
  const routes = [
    { host: 'web.*', path: '/', service: 'web', backends: [backend] },
    { host: 'twin.*', path: '/', service: 'twin', backends: [twin] },
  ];
  await plane.use({ revision: 1, machines: ['m1'], problems: [], routes });
  assert.equal((await ask(port, { headers: { host: 'twin.x' } })).body, 'ok');
  const reports = await plane.backends();
  assert.deepEqual(
    reports.map(({ service, requests }) => [service, requests]),
    [
      ['web', 0],
      ['twin', 1],
    ],
  );
});
