import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type RouteTable, renderNginx } from '../../src/router/index.ts';
import { ask, closedPort, startBackend, until } from './data-plane-harness.ts';

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
];
const hasNginx = spawnSync('nginx', ['-v']).status === 0;

/** A real nginx with the routes as its conf.d file; answers its port. */
async function startNginx(t: TestContext, table: RouteTable): Promise<number> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'nginx-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const port = await closedPort();
  writeFileSync(path.join(directory, 'routes.conf'), renderNginx(table).replaceAll('listen 80;', `listen ${port};`));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  );
  writeFileSync(
    path.join(directory, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
events {} http { access_log off; ${temporary.join(' ')} include ${directory}/routes.conf; }`,
  );
  const nginx = spawn('nginx', ['-p', directory, '-c', `${directory}/nginx.conf`], { stdio: 'inherit' });
  t.after(async () => {
    nginx.kill();
    if (nginx.exitCode === null) await once(nginx, 'exit');
  });
  await until('nginx answers', () => ask(port).then(Boolean, () => false));
  return port;
}

test('nginx takes the routes as they are rendered', {
  skip: hasNginx ? false : 'nginx is not installed (apt install nginx-light)',
}, async (t) => {
  const say = (name: string) =>
    startBackend(t, name, (request, response) =>
      response.end(`${name} ${request.headers['x-forwarded-host']} ${request.headers['x-real-ip']}`),
    );
  const [a, b, api] = await Promise.all([say('a'), say('b'), say('api')]);
  a.server.on('upgrade', (_, socket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello');
  });
  const port = await startNginx(t, {
    revision: 7,
    machines: ['m1'],
    problems: [],
    routes: [
      { host: '*.shop.com', path: '/', service: 'shop', backends: [b.backend] },
      { host: 'down.*', path: '/', service: 'down', backends: [] },
      { host: 'web.*', path: '/', service: 'web', backends: [a.backend] },
      ...ODD.map((path) => ({ host: 'web.*', path, service: 'api', backends: [api.backend] })),
      { host: 'web.*', path: '/api', service: 'api', backends: [api.backend] },
    ],
  });
  const body = async (host: string, path: string) => (await ask(port, { path, headers: { host } })).body;
  assert.equal(await body('web.example.com', '/'), 'a web.example.com 127.0.0.1');
  assert.match(await body('web.example.com', '/apix'), /^a /);
  assert.match(await body('web.example.com', '/api'), /^api /);
  assert.match(await body('web.example.com', '/api/x'), /^api /);
  for (const path of ODD) {
    assert.match(await body('web.example.com', path), /^api /, path);
    assert.match(await body('web.example.com', `${path}/x`), /^api /, path);
    assert.match(await body('web.example.com', `${path}x`), /^a /, path);
  }
  assert.match(await body('eu.shop.com', '/'), /^b /);
  assert.equal((await ask(port, { headers: { host: 'down.x' } })).status, 503);
  const socket = net.connect({ host: '127.0.0.1', port }).setEncoding('latin1');
  let text = '';
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  socket.write('GET / HTTP/1.1\r\nHost: web.x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await once(socket, 'close');
  assert.match(text, /^HTTP\/1\.1 101 [\s\S]*hello$/);
});
