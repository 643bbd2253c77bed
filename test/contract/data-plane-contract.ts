import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { describe, test } from 'node:test';
import { systemClock as clock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { expectContract } from './data-plane-expect.ts';
import {
  ask,
  askRaw,
  backendAt,
  closedPort,
  converse,
  type OpenPlane,
  planeFor,
  startBackend,
  upgrade,
} from './data-plane-harness.ts';
import { interimContract } from './data-plane-interim.ts';
import { lostMachineContract } from './data-plane-lost.ts';
import { misbehavingBackends } from './data-plane-misbehaving.ts';
import { requestTricks } from './data-plane-tricks.ts';
import { redirectContract, unusualContract } from './data-plane-unusual.ts';

/** What every data plane does alike. */
export function dataPlaneContract(name: string, open: OpenPlane, skip: string | false): void {
  describe(`data plane ${name}`, { skip }, () => {
    headersContract(open);
    balancingContract(open);
    failureContract(open);
    lostMachineContract(open);
    streamingContract(open);
    upgradeContract(open);
    hostileContract(open);
    timeContract(open);
    unusualContract(open);
    interimContract(open);
    expectContract(open);
    redirectContract(open);
    misbehavingBackends(open);
    requestTricks(open);
  });
}

/** What nginx does as our planes do, with the routes as they are rendered for it: it takes HTTP/0.9, and any path. */
export function nginxContract(open: OpenPlane): void {
  headersContract(open);
  streamingContract(open);
  upgradeContract(open);
  hostileContract(open);
  unusualContract(open);
  requestTricks(open, ['HTTP/0.9', 'UTF-8 in the path']);
}

const echoHeaders: http.RequestListener = (request, response) => {
  response.setHeader('x-two', ['a', 'b']);
  response.end(JSON.stringify({ url: request.url, method: request.method, headers: request.headers }));
};

function headersContract(open: OpenPlane): void {
  test('a backend learns who asked for what, and nobody else can tell it', async (t) => {
    const { port, route } = await planeFor(t, open);
    await route((await startBackend(t, 'a', echoHeaders)).backend);
    const answer = await ask(port, {
      path: '/x?y=z',
      headers: {
        host: 'Web.Example.com:8080',
        'x-forwarded-for': '1.2.3.4',
        'x-forwarded-host': 'evil',
        'x-real-ip': '6.6.6.6',
        x_real_ip: '6.6.6.6',
        'x-forwarded-port': '1',
        'x-forwarded-proto': 'https',
        'X-Forwarded_For': '6.6.6.6',
        'X_Forwarded-Proto': 'https',
        'x_forwarded-HOST': 'evil',
        forwarded: 'for=6.6.6.6;proto=https',
        'x-forwarded_ssl': 'on',
        proxy: 'http://evil',
        'x-custom': 'kept',
        x_custom: 'kept too',
      },
    });
    const { url, headers } = JSON.parse(answer.body) as { url: string; headers: http.IncomingHttpHeaders };
    assert.equal(url, '/x?y=z');
    assert.equal(headers.host, 'Web.Example.com:8080');
    assert.equal(headers['x-forwarded-host'], 'Web.Example.com:8080');
    assert.equal(headers['x-forwarded-for'], '1.2.3.4, 127.0.0.1');
    assert.equal(headers['x-real-ip'], '127.0.0.1');
    assert.equal(headers['x-forwarded-proto'], 'http');
    assert.equal(headers['x-custom'], 'kept');
    assert.equal(headers['x_custom'], 'kept too');
    const known = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];
    const said = Object.keys(headers).filter(
      (header) => /forwarded|real|proxy/.test(header) && !known.includes(header),
    );
    assert.deepEqual(said, []);
    assert.equal(answer.headers['x-two'], 'a, b');
  });

  test('many requests go over one connection on either side', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend, server } = await startBackend(t, 'a', (_, response) => response.end('ok'));
    let connections = 0;
    server.on('connection', () => connections++);
    await route(backend);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    for (let i = 0; i < 20; i++) assert.equal((await ask(port, { agent })).body, 'ok');
    assert.ok(connections < 5, `${connections} connections for 20 requests`);
  });

  test('answers without a body, and HEAD, are what the backend said', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) => {
      if (request.url === '/304') response.writeHead(304, { etag: '"x"' }).end();
      else if (request.url === '/204') response.writeHead(204).end();
      else response.writeHead(418, { 'content-length': 5 }).end('hello');
    });
    await route(backend);
    assert.equal((await ask(port, { path: '/304' })).headers.etag, '"x"');
    assert.equal((await ask(port, { path: '/204' })).status, 204);
    assert.equal((await ask(port)).status, 418);
    const head = await ask(port, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.body], [418, '5', '']);
  });
}

function balancingContract(open: OpenPlane): void {
  test('requests go to the backend with the fewest under way', async (t) => {
    const { port, route } = await planeFor(t, open);
    const held: http.ServerResponse[] = [];
    const a = await startBackend(t, 'a', (_, response) => void held.push(response));
    const b = await startBackend(t, 'b', (_, response) => response.end('b'));
    await route(a.backend);
    const waiting = [ask(port), ask(port), ask(port)];
    await until('three requests are held', () => held.length === 3);
    await route(a.backend, b.backend);
    for (let i = 0; i < 10; i++) assert.equal((await ask(port)).body, 'b');
    for (const response of held) response.end('a');
    for (const { body } of await Promise.all(waiting)) assert.equal(body, 'a');
  });

  test('a service without a healthy instance answers 503, one that is gone the index page', async (t) => {
    const { port, route, plane } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (_, response) => response.end('a'));
    await route();
    assert.equal((await ask(port)).status, 503);
    await route(backend);
    assert.equal((await ask(port)).status, 200);
    const index = await ask(port, { headers: { host: 'example.com' } });
    assert.equal(index.status, 404);
    assert.match(index.body, /web\.\*/);
    await plane.use({ revision: 9, routes: [], machines: ['m1'], problems: [] });
    assert.equal((await ask(port, { path: '/' })).status, 404);
    assert.equal((await ask(port, { path: '/other' })).status, 404);
  });

  test('hundreds of routes are taken, and the index page is whole whatever host is asked for', async (t) => {
    const { port, plane } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (_, response) => response.end('a'));
    const routes = Array.from({ length: 600 }, (_, at) => {
      const host = `${'h'.repeat(40)}-${at}.*`;
      return { host, path: '/some/path', service: `service-${at}`, backends: at === 599 ? [backend] : [] };
    });
    await plane.use({ revision: 1, routes, machines: ['m1'], problems: [] });
    const headers = { host: `${'h'.repeat(40)}-599.x` };
    assert.equal((await ask(port, { path: '/some/path', headers })).body, 'a');
    const index = await ask(port, { headers: { host: 'x'.repeat(255) } });
    assert.equal(index.status, 404);
    assert.match(index.body, /service-0\b.*<\/ul>/s);
  });

  test('an outage never looks like health: 503 says when to come back, and only the health path is always 200', async (t) => {
    const { port, route } = await planeFor(t, open);
    await route();
    const { status, headers } = await ask(port);
    assert.equal(status, 503);
    assert.match(headers['retry-after'] ?? '', /^[1-9]\d*$/);
    for (const host of ['web.example.com', 'nobody.example.com', '10.0.0.1']) {
      const health = await ask(port, { path: '/.well-known/flotilla/health', headers: { host } });
      assert.deepEqual([health.status, health.body], [200, 'ok\n']);
    }
    assert.equal((await ask(port, { path: '/.well-known/flotilla/healthy' })).status, 503);
  });

  test('router_index responds with 200 to the bare index, and to nothing else', async (t) => {
    const { port, route } = await planeFor(t, open, { index: true });
    await route();
    const other = { host: 'example.com' };
    assert.equal((await ask(port, { headers: other })).status, 200);
    assert.equal((await ask(port, { path: '/other', headers: other })).status, 404);
    assert.equal((await ask(port)).status, 503);
  });

  test('other hosts lead elsewhere from the moment on in which a table is taken', async (t) => {
    const { port, plane } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (_, response) => response.end('a'));
    for (let step = 1; step <= 8; step++) {
      const routes = [{ host: `web${step}.*`, path: '/', service: 'web', backends: [backend] }];
      await plane.use({ revision: step, routes, machines: ['m1'], problems: [] });
      for (const [host, status] of [
        [`web${step}.x`, 200],
        [`web${step - 1}.x`, 404],
      ] as const)
        assert.equal((await ask(port, { headers: { host } })).status, status, host);
    }
  });

  test('changing the backends under load fails no request, and a drained one ends what it has', async (t) => {
    const { port, route, plane } = await planeFor(t, open);
    const slow: http.RequestListener = (_, response) => void clock.after(20, () => response.end('ok'));
    const all = await Promise.all(['a', 'b', 'c', 'd'].map((id) => startBackend(t, id, slow)));
    const backends = all.map(({ backend }) => backend);
    await route(...backends.slice(0, 2));
    let running = true;
    const statuses = new Map<number | string, number>();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    t.after(() => agent.destroy());
    const client = async () => {
      while (running) {
        const status = await ask(port, { agent }).then(
          (answer) => answer.status,
          (error: Error) => error.message,
        );
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const clients = Array.from({ length: 8 }, client);
    for (let step = 0; step < 12; step++) {
      const first = step % 4;
      const next = [backends[first]!, backends[(first + 1) % 4]!];
      await plane.drain(backends[(first + 3) % 4]!.id);
      await route(...next);
      await clock.sleep(50);
    }
    running = false;
    await Promise.all(clients);
    assert.deepEqual([...statuses.keys()], [200]);
  });
}

function failureContract(open: OpenPlane): void {
  test('a backend nobody listens at costs no request, and rests after three failures', async (t) => {
    const { port, route, plane } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) =>
      request.resume().on('end', () => response.end('a')),
    );
    const dead = backendAt('dead', await closedPort());
    await route(dead, backend);
    const stateOf = async (wanted: string) => (await plane.backends()).find(({ id }) => id === wanted)?.state;
    let count = 0;
    await until('it rests', async () => {
      const body = count++ % 2 ? { method: 'POST', body: 'some' } : {};
      assert.equal((await ask(port, body)).body, 'a');
      return count >= 20 && (await stateOf(dead.id)) === 'resting';
    });
    assert.equal(await stateOf(backend.id), 'up');
  });

  test('a backend that breaks off is left for another one when the request may be repeated', async (t) => {
    const { port, route } = await planeFor(t, open, { maxFailures: 1000 });
    let broken = 0;
    const bad = await startBackend(t, 'bad', (request) => {
      broken++;
      request.socket.destroy();
    });
    const good = await startBackend(t, 'good', (request, response) => {
      request.resume().on('end', () => response.end('good'));
    });
    await route(bad.backend, good.backend);
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      for (let i = 0; i < 4; i++) assert.equal((await ask(port, { method })).body, 'good');
    }
    assert.ok(broken > 0);
    const posts = await Promise.all(Array.from({ length: 8 }, () => ask(port, { method: 'POST', body: 'x' })));
    assert.ok(
      posts.some(({ status }) => status === 502),
      'a POST is not repeated',
    );
  });

  test('a backend that accepts and never answers costs its requests 504, and no others', async (t) => {
    const { port, route } = await planeFor(t, open, { answerTimeoutMs: 1000, maxFailures: 1 });
    const mute = await startBackend(t, 'mute', () => {});
    await route(mute.backend);
    const answer = await ask(port, { method: 'POST', body: 'x' });
    assert.equal(answer.status, 504);
    const good = await startBackend(t, 'good', (_, response) => response.end('good'));
    await route(mute.backend, good.backend);
    for (let i = 0; i < 5; i++) assert.equal((await ask(port)).body, 'good');
  });
}

function streamingContract(open: OpenPlane): void {
  test('bodies flow both ways as they come', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      request.pipe(response);
    });
    await route(backend);
    const request = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false, headers: { host: 'web.x' } });
    request.write('one');
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.setEncoding('utf8');
    assert.equal((await once(response, 'data'))[0], 'one');
    request.write('two');
    assert.equal((await once(response, 'data'))[0], 'two');
    request.end();
    response.resume();
    await once(response, 'end');
  });

  test('an answer that breaks off is seen to be broken', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => response.socket!.resetAndDestroy());
    });
    await route(backend);
    await assert.rejects(ask(port, { method: 'POST' }));
  });

  test('a client that goes away ends its request at the backend', async (t) => {
    const { port, route } = await planeFor(t, open);
    let ended = false;
    let began = false;
    const { backend } = await startBackend(t, 'a', (_, response) => {
      began = true;
      response.on('close', () => {
        ended = true;
      });
    });
    await route(backend);
    const request = http.request({ host: '127.0.0.1', port, agent: false, headers: { host: 'web.x' } });
    request.on('error', () => {});
    request.end();
    await until('the request is there', () => began);
    request.destroy();
    await until('the backend knows', () => ended);
  });
}

function upgradeContract(open: OpenPlane): void {
  test('another protocol goes through both ways', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend, server } = await startBackend(t, 'a', (_, response) => response.end());
    server.on('upgrade', (request: http.IncomingMessage, socket: net.Socket) => {
      const from = request.headers['x-forwarded-for'];
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi ${from};`);
      socket.pipe(socket);
    });
    await route(backend);
    const socket = await converse(t, port, upgrade('GET'), /^HTTP\/1\.1 101 .*upgrade: echo.*hi 127\.0\.0\.1;$/is);
    socket.write('ping');
    assert.deepEqual(await once(socket, 'data'), ['ping']);
    socket.end();
    await once(socket, 'close');
  });

  test('a backend that does not want another protocol answers in HTTP', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (_, response) => response.writeHead(403).end('no'));
    await route(backend);
    await converse(t, port, upgrade('GET'), /^HTTP\/1\.1 403 .*no/is);
  });
}

function hostileContract(open: OpenPlane): void {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: web.x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      /^HTTP\/1\.1 400/,
    ],
    ['a host with a path in it', 'GET / HTTP/1.1\r\nHost: web.x/evil\r\n\r\n', /^HTTP\/1\.1 (400|404)/],
    ['two hosts', 'GET / HTTP/1.1\r\nHost: web.x\r\nHost: other.x\r\n\r\n', /^HTTP\/1\.1 400/],
    ['a bad host of HTTP/1.0', 'GET / HTTP/1.0\r\nHost: web.x evil\r\n\r\n', /^HTTP\/1\.[01] 400/],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400/],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : web.x\r\n\r\n', /^HTTP\/1\.1 400/],
    ['no HTTP at all', 'hello\r\n\r\n', /^HTTP\/1\.[01] 400/],
    // A reset may overtake HAProxy's answer.
    [
      'a head of 1 MB',
      `GET / HTTP/1.1\r\nHost: web.x\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\n`,
      /^(HTTP\/1\.1 (431|400)|$)/,
    ],
  ];
  for (const [name, text, expected] of cases) {
    test(`${name} is refused`, async (t) => {
      const { port, route } = await planeFor(t, open);
      await route((await startBackend(t, 'a', (_, response) => response.end('reached'))).backend);
      const answer = await askRaw(port, text, false);
      assert.match(answer, expected);
      assert.doesNotMatch(answer, /reached/);
      assert.equal((await ask(port)).body, 'reached');
    });
  }

  test('one request within another does not reach a backend', async (t) => {
    const { port, route } = await planeFor(t, open);
    const seen: string[] = [];
    const { backend } = await startBackend(t, 'a', (request, response) => {
      seen.push(request.url!);
      request.resume().on('end', () => response.end('a'));
    });
    await route(backend);
    const inner = 'GET /smuggled HTTP/1.1\r\nHost: web.x\r\n\r\n';
    const both = `POST /outer HTTP/1.1\r\nHost: web.x\r\nContent-Length: ${inner.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`;
    await askRaw(port, both);
    const odd = `POST /outer HTTP/1.1\r\nHost: web.x\r\nContent-Length: ${inner.length}\r\nTransfer-Encoding : chunked\r\n\r\n${inner}`;
    await askRaw(port, odd);
    assert.ok(!seen.includes('/smuggled'), seen.join());
  });
}

function timeContract(open: OpenPlane): void {
  test('a client that sends its head byte by byte is cut off', async (t) => {
    const { port, route } = await planeFor(t, open, { clientTimeoutMs: 1000 });
    await route((await startBackend(t, 'a', (_, response) => response.end('a'))).backend);
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.on('error', () => {});
    socket.resume();
    let open_ = true;
    socket.on('close', () => {
      open_ = false;
    });
    socket.write('GET / HTTP/1.1\r\nHost: web.x\r\n');
    const drip = async () => {
      while (open_) {
        socket.write('a');
        await clock.sleep(100);
      }
    };
    await Promise.race([drip(), until('it is cut off', () => !open_)]);
    assert.equal(open_, false);
  });
}
