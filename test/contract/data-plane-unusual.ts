import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import type { Backend } from '../../src/router/index.ts';
import {
  ask,
  askRaw,
  backendAt,
  closedPort,
  converse,
  type OpenPlane,
  planeFor,
  startBackend,
  temporary,
  upgrade,
} from './data-plane-harness.ts';
import { makePem, noOpenssl } from './make-certificate.ts';

/** What is unusual and yet HTTP: every data plane carries it. */
export function unusualContract(open: OpenPlane): void {
  answersContract(open);
  upgradesContract(open);

  test('hundreds of headers, and large ones, go through both ways', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) => {
      const many = Object.keys(request.headers).filter((name) => name.startsWith('x-h-')).length;
      for (let at = 0; at < many; at++) response.setHeader(`x-a-${at}`, 'v');
      response.setHeader('x-large', request.headers['x-large'] as string);
      response.end(String(many));
    });
    await route(backend);
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`x-h-${at}`, 'v']));
    const headers = { ...many, 'x-large': 'l'.repeat(20_000) };
    const answer = await ask(port, { headers, maxHeaderSize: 65_536 });
    assert.deepEqual([answer.status, answer.body, answer.headers['x-large']?.length], [200, '300', 20_000]);
    assert.equal(answer.headers['x-a-299'], 'v');
  });

  test('a length that one side names in Connection still frames the message', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) => {
      const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
      const body = JSON.stringify([length, coding ?? 'none']);
      request.resume().on('end', () => {
        response.writeHead(200, { connection: 'keep-alive, content-length', 'content-length': body.length });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
    });
    await route(backend);
    const framing = { connection: 'close, Content-Length', 'content-length': 2 };
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const { headers, body } = await ask(port, { method, headers: framing, body: 'hi' });
      assert.equal(body, '["2","none"]', method);
      assert.equal(headers['content-length'], '12', method);
      assert.equal(headers['transfer-encoding'], undefined, method);
    }
    assert.equal((await ask(port, { method: 'HEAD' })).headers['content-length'], '13');
  });

  test('a host with its closing dot is the same host', async (t) => {
    const { port, plane } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) => response.end(request.headers.host));
    const hosts = ['www.example.com', '*.example.org'].map((host) => ({ host, path: '/', service: 'web' }));
    const routes = hosts.map((route) => ({ ...route, backends: [backend] }));
    await plane.use({ revision: 1, routes, machines: ['m1'], problems: [] });
    for (const host of ['www.example.com.', 'WWW.example.com.:80', 'a.example.org.'])
      assert.equal((await ask(port, { headers: { host } })).body, host);
  });

  test('a departed route goes before no other, and takes what no other does', async (t) => {
    const { port, plane } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (_, response) => response.end('live'));
    const departed = { host: '*.example.com', path: '/', service: 'old', backends: [], yields: true } as const;
    const live = { host: 'web.*', path: '/', service: 'web', backends: [backend] };
    const table = { machines: ['m1'], problems: [] };
    await plane.use({ ...table, revision: 1, routes: [{ ...live, host: '*.example.com' }] });
    assert.equal((await ask(port)).body, 'live');
    await plane.use({ ...table, revision: 2, routes: [departed, live] });
    await until('it yields', async () => (await ask(port)).body === 'live');
    assert.equal((await ask(port, { headers: { host: 'other.example.com' } })).status, 503);
  });
}

export function redirectContract(open: OpenPlane): void {
  test('the redirection to https keeps path and query, and not the port', { skip: noOpenssl }, async (t) => {
    const directory = temporary(t);
    writeFileSync(path.join(directory, 'web.pem'), makePem('web.example.com'));
    const listenTls = [{ host: '127.0.0.1', port: await closedPort() }];
    const { port } = await planeFor(t, open, { redirectToTls: true, listenTls, certificates: directory });
    assert.equal((await ask(port, { path: '/.well-known/flotilla/health' })).status, 200);
    for (const host of ['web.example.com', 'web.example.com:8080']) {
      const { status, headers } = await ask(port, { path: '/a%20b?c=%2F', headers: { host } });
      assert.deepEqual([status, headers.location], [308, 'https://web.example.com/a%20b?c=%2F']);
    }
    assert.equal((await ask(port, { headers: { host: 'web.example.com/evil' } })).status, 400);
  });
}

/** A backend that answers every head with these bytes, passes over bodies, and may end the connection after it. */
export async function rawBackend(test: TestContext, answer: string, end = false): Promise<Backend> {
  const server = net.createServer((socket) => {
    let head = '';
    socket.on('error', () => {});
    socket.setEncoding('latin1').on('data', (text: string) => {
      head += text;
      if (!head.includes('\r\n\r\n')) return;
      head = '';
      socket.write(answer);
      if (end) socket.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => void server.close());
  return backendAt('raw', (server.address() as net.AddressInfo).port);
}

function answersContract(open: OpenPlane): void {
  test('an answer without a body may name the length of one', async (t) => {
    const { port, route } = await planeFor(t, open);
    await route(await rawBackend(t, 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 55\r\n\r\n'));
    for (let at = 0; at < 4; at++) {
      const { status, headers, body } = await ask(port);
      assert.deepEqual([status, headers.etag, headers['content-length'], body], [304, '"x"', '55', '']);
    }
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    for (let at = 0; at < 4; at++) {
      const { status } = await ask(port, { agent, method: 'PUT', body: 'x'.repeat(100_000) });
      assert.equal(status, 304);
    }
  });

  test('the words behind a status go through as they are', async (t) => {
    const { port, route } = await planeFor(t, open);
    const words = Buffer.from('Schön – gut').toString('latin1');
    await route(await rawBackend(t, Buffer.from('HTTP/1.1 200 Schön – gut\r\nContent-Length: 2\r\n\r\nhi').toString()));
    const answer = await askRaw(port, 'GET / HTTP/1.1\r\nHost: web.x\r\nConnection: close\r\n\r\n', false);
    assert.ok(answer.startsWith(`HTTP/1.1 200 ${words}\r\n`), answer);
    assert.match(answer, /hi$/);
  });
}

function upgradesContract(open: OpenPlane): void {
  test('what comes in one packet with the request for another protocol is not lost, whatever the method', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend, server } = await startBackend(t, 'a', (_, response) => response.end());
    server.on('upgrade', (_: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.write(head);
      socket.pipe(socket);
    });
    await route(backend);
    for (const request of [upgrade('GET'), upgrade('POST', 'Content-Length: 0\r\n'), upgrade('POST')])
      await converse(t, port, `${request}first words`, /^HTTP\/1\.1 101 .*\r\n\r\nfirst words$/s);
  });

  test('an answer in HTTP to who wants another protocol is seen to be broken when it breaks off', async (t) => {
    const { port, route } = await planeFor(t, open);
    await route(await rawBackend(t, 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart', true));
    assert.match(await askRaw(port, upgrade('GET'), false), /^HTTP\/1\.1 200 .*part$/s);
  });

  test('HTTP/2 is not spoken past the router', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend, server } = await startBackend(t, 'a', ({ headers }, response) =>
      response.end(JSON.stringify([headers.upgrade, headers['http2-settings']])),
    );
    server.on('upgrade', (_: http.IncomingMessage, socket: net.Socket) => void socket.end('HTTP/1.1 101 Yes\r\n\r\n'));
    await route(backend);
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' };
    assert.equal((await ask(port, { headers })).body, '[null,null]');
  });

  test('a request with a body that asks for another protocol as well is answered in HTTP', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', async (request, response) => {
      let body = '';
      for await (const text of request.setEncoding('utf8')) body += text;
      response.end(`got ${body}`);
    });
    await route(backend);
    await converse(t, port, `${upgrade('GET', 'Content-Length: 5\r\n')}hello`, /^HTTP\/1\.1 200 .*got hello/s);
  });
}
