import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { type Backend, type RouteTable, renderNginx } from '../../src/router/index.ts';
import { nginxContract } from './data-plane-contract.ts';
import { ask, backendAt, converse, type OpenPlane, startBackend, upgrade } from './data-plane-harness.ts';
import { NginxPlane, noNginx } from './nginx.ts';

/** Paths that mean something else to nginx unless they are quoted. */
const ODD: readonly string[] = [
  '/semi;',
  '/a;}deny',
  '/open{',
  '/close}',
  '/$host',
  '/"quoted"',
  "/it's",
  '/~tilde',
  '/back\\slash',
  '/(group|or)',
  '/a.b+c*',
  '/50%25',
];

const open: OpenPlane = (_, t) => NginxPlane.open(t);

function tableOf(...routes: readonly (readonly [place: string, ...backends: Backend[]])[]): RouteTable {
  return {
    revision: 7,
    machines: ['m1'],
    problems: [],
    routes: routes.map(([place, ...backends]) => {
      const at = place.indexOf('/');
      return { host: place.slice(0, at), path: place.slice(at), service: 'a service', backends };
    }),
  };
}

describe('nginx with the rendered routes', { skip: noNginx }, () => {
  nginxContract(open);

  test('hosts and paths lead where they lead in the router', async (t) => {
    const names = ['a', 'b', 'api', 'slash', 'whole'];
    const said = await Promise.all(names.map((name) => startBackend(t, name, (_, response) => response.end(name))));
    const [a, b, api, slash, whole] = said.map(({ backend }) => backend) as [
      Backend,
      Backend,
      Backend,
      Backend,
      Backend,
    ];
    const table = tableOf(
      ['*.shop.com/', b],
      ['www.shop.com/', whole],
      [`${'long-'.repeat(20)}name.example.com/`, whole],
      ['down.*/'],
      ['web.*/', a],
      ['web.eu.*/', b],
      ['web.*/api', api],
      ['web.*/api/', slash],
      ['web.*/down'],
      ['paths.*/only', api],
      ...ODD.map((path) => [`web.*${path}`, api] as const),
    );
    const plane = await NginxPlane.open(t, table);
    const body = async (host: string, path: string) => (await ask(plane.port, { path, headers: { host } })).body;
    const status = async (host: string, path = '/') => (await ask(plane.port, { path, headers: { host } })).status;
    assert.equal(await body('web.example.com', '/'), 'a');
    assert.equal(await body('WEB.example.com:8080', '/'), 'a');
    assert.equal(await body('web.eu.example.com', '/'), 'b');
    for (const path of ['/api', '/api?x=/api/']) assert.equal(await body('web.example.com', path), 'api', path);
    for (const path of ['/api/', '/api/x']) assert.equal(await body('web.example.com', path), 'slash', path);
    for (const path of ['/apix', '/%61pi', '/x/../api', '//api'])
      assert.equal(await body('web.example.com', path), 'a', path);
    for (const path of ODD) {
      for (const more of ['', '/x', '?x']) assert.equal(await body('web.example.com', path + more), 'api', path + more);
      assert.equal(await body('web.example.com', `${path}x`), 'a', path);
    }
    assert.equal(await body('eu.shop.com', '/'), 'b');
    assert.equal(await body('www.shop.com', '/'), 'whole');
    assert.equal(await body(`${'long-'.repeat(20)}name.example.com`, '/'), 'whole');
    assert.equal(await status('a.b.shop.com'), 404, 'the star is one label');
    assert.equal(await status('paths.x', '/other'), 404);
    assert.equal(await body('paths.x', '/only/x'), 'api');
    for (const [host, path] of [
      ['down.x', '/'],
      ['web.x', '/down/x'],
    ] as const) {
      const answer = await ask(plane.port, { path, headers: { host } });
      assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '5']);
    }
    assert.equal(plane.complaint(table), '');
  });

  test('hosts that nobody has get 404, and only the health path is 200 at any host', async (t) => {
    const { backend } = await startBackend(t, 'a', (_, response) => response.end('a'));
    const { port } = await NginxPlane.open(t, tableOf(['web.*/', backend], ['down.*/']));
    for (const host of ['example.com', '10.0.0.1', 'webx.example.com', 'web'])
      assert.equal((await ask(port, { headers: { host } })).status, 404, host);
    for (const host of ['web.example.com', 'down.x', 'nobody.example.com', '10.0.0.1']) {
      const health = await ask(port, { path: '/.well-known/flotilla/health', headers: { host } });
      assert.deepEqual([health.status, health.body], [200, 'ok\n']);
    }
  });

  test('a backend whose address is a host name is left out, and told of', async (t) => {
    const { backend } = await startBackend(t, 'a', (_, response) => response.end('a'));
    const nowhere = { ...backendAt('nowhere', 80), address: 'nowhere.invalid' };
    const table = tableOf(['web.*/', nowhere, backend], ['only.*/', nowhere]);
    const { port } = await NginxPlane.open(t, table);
    for (let count = 0; count < 4; count++) assert.equal((await ask(port)).body, 'a');
    assert.equal((await ask(port, { headers: { host: 'only.x' } })).status, 503);
    assert.equal(renderNginx(table).match(/^# {1,4}.*nowhere\.invalid:80 is left out/gm)?.length, 2);
  });

  test('a silent WebSocket outlives the time in which a response must begin', async (t) => {
    const { backend, server } = await startBackend(t, 'a', () => {});
    server.on('upgrade', (_: IncomingMessage, socket: Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi');
      socket.on('error', () => {}).pipe(socket);
    });
    const { port } = await NginxPlane.open(t, tableOf(['web.*/', backend]), 'proxy_read_timeout 1s;');
    const socket = await converse(t, port, upgrade('GET'), /hi$/);
    const closed = once(socket, 'close').then(() => ['closed']);
    for (let count = 0; count < 2; count++) assert.equal((await ask(port)).status, 504);
    socket.write('ping');
    assert.deepEqual(await Promise.race([once(socket, 'data'), closed]), ['ping']);
  });

  test('a redirection, and headers by which a backend commands nginx, change nothing', async (t) => {
    const { backend } = await startBackend(t, 'a', (_, response) => {
      response.writeHead(302, { location: 'http://flotilla_0/there', 'x-accel-redirect': '/elsewhere' }).end('a');
    });
    const { port } = await NginxPlane.open(t, tableOf(['web.*/', backend]));
    const { status, headers, body } = await ask(port);
    assert.deepEqual([status, headers.location, body], [302, 'http://flotilla_0/there', 'a']);
  });
});

test('no name of a service, and no address, gets out of its comment', () => {
  for (const text of ['a\nb {}', 'a\r\nb {}', 'a\u2028b', `${'x'.repeat(10_000)}\n`]) {
    const backend = { ...backendAt('b', 80), address: text };
    const route = { host: 'web.*', path: '/', service: text, backends: [backend] };
    const lines = renderNginx({ revision: 1, machines: [], problems: [], routes: [route] }).split('\n');
    const comments = lines.filter((line) => /a\\u|xxx/.test(line));
    assert.equal(comments.length, 2, text.slice(0, 20));
    for (const line of comments) assert.ok(line.startsWith('# ') && line.length < 300, line);
    assert.ok(!lines.some((line) => line.startsWith('b')));
  }
});
