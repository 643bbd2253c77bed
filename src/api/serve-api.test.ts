import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isFlotillaError } from '../lib/index.ts';
import { serveApi } from './index.ts';
import {
  type ApiTestCluster,
  ask,
  eventually,
  openTestApi,
  openTestCluster,
  service,
  type TestApi,
} from './test-api.ts';

let shared: ApiTestCluster;
let api: TestApi;
before(async () => {
  shared = await openTestCluster();
  const listeners = [
    { path: join(shared.directory, 'fleet.sock'), mode: 0o600 },
    { host: '127.0.0.1', port: 0 },
  ];
  api = await openTestApi({ on: shared, listeners });
});
after(async () => {
  await api.close();
  await shared.close();
});

const socketPath = () => join(shared.directory, 'fleet.sock');
const isConflict = (error: unknown) => isFlotillaError(error, 'conflict');

/** Sends bytes as they are and answers all that comes back until the connection closes. */
async function raw(text: string | Buffer): Promise<string> {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  socket.write(text);
  return readAll(socket);
}

async function readAll(socket: Socket): Promise<string> {
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  return answer;
}

test('one API answers on a unix socket and on TCP', async () => {
  assert.deepEqual(api.served.addresses, [`unix://${socketPath()}`, api.url]);
  assert.equal(statSync(socketPath()).mode & 0o777, 0o600);
  const body = { options: service(), desiredState: 'inactive' };
  const created = await ask('http://localhost/fleet/v1/units/a@1.service', {
    method: 'PUT',
    body,
    socketPath: socketPath(),
  });
  assert.equal(created.status, 201);
  assert.equal((await ask(`${api.url}/fleet/v1/units/a%401.service`)).json.name, 'a@1.service');
});

test('a socket on which somebody answers is not taken over, one left behind is', async () => {
  const path = join(shared.directory, 'other.sock');
  await assert.rejects(serveApi(api.api, [{ path: socketPath() }]), isConflict);
  assert.equal((await ask('http://x/fleet/v1/version', { socketPath: socketPath() })).status, 200);
  // A process that is killed leaves its socket behind.
  const child = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
  ]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(existsSync(path));
  const other = await openTestApi({ on: shared, listeners: [{ path }] });
  assert.equal((await ask('http://x/fleet/v1/version', { socketPath: path })).status, 200);
  await other.close();
  assert.equal(existsSync(path), false);
});

test('what cannot be listened on is refused in words, and nothing is left listening', async () => {
  const file = join(shared.directory, 'file');
  writeFileSync(file, '');
  const port = Number(new URL(api.url).port);
  for (const listener of [
    { path: file },
    { path: join(shared.directory, 'none', 'x') },
    { host: '127.0.0.1', port },
    { host: '203.0.113.1', port: 0 },
  ]) {
    const first = { path: join(shared.directory, 'first.sock') };
    const other = openTestApi({ on: shared, listeners: [first, listener] });
    await assert.rejects(other, (error) => isConflict(error) && /^cannot listen on /.test((error as Error).message));
    assert.equal(existsSync(first.path), false);
  }
});

test('inherited sockets are served', async () => {
  const listening = createServer();
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const { fd } = (listening as unknown as { _handle: { fd: number } })._handle;
  const script = `
    import { openTestApi } from ${JSON.stringify(import.meta.resolve('./test-api.ts'))};
    const { served, close } = await openTestApi({ listeners: [{ fd: 3 }] });
    console.log(served.addresses.join());
    process.stdin.on('end', close).resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit', fd],
  });
  const [address] = await once(child.stdout!, 'data');
  listening.close();
  assert.equal(String(address).trim(), `http://127.0.0.1:${port}`);
  assert.equal((await ask(`http://127.0.0.1:${port}/fleet/v1/units`)).status, 200);
  child.stdin!.end();
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('a client that has said all it has to say is answered all the same', async () => {
  const path = '/fleet/v1/units/half.service';
  const body = JSON.stringify({ options: service(), desiredState: 'inactive' });
  const put = `PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  for (const [text, status] of [
    [put, '201'],
    [`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, '200'],
    [`GET ${path} HTTP/1.0\r\n\r\n`, '200'],
  ] as const) {
    const socket = connect({ path: socketPath(), allowHalfOpen: true });
    socket.end(text);
    assert.match(await readAll(socket), new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 20));
  }
  const leaves = connect(socketPath());
  leaves.end('GET /fleet/v1/events HTTP/1.1\r\nHost: x\r\n\r\n');
  await readAll(leaves);
});

test('a body over 1 MB is refused without being read', async () => {
  const path = '/fleet/v1/units/big.service';
  const head = `PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  const announced = await raw(`${head}Content-Length: 5000000000\r\n\r\n{`);
  assert.match(announced, /^HTTP\/1\.1 413 /);
  assert.match(
    announced,
    /\{"error":\{"code":413,"message":"the request body is larger than 1048576 bytes \(1 MB\)"\}\}/,
  );
  const expecting = await raw(`${head}Content-Length: 5000000000\r\nExpect: 100-continue\r\n\r\n`);
  assert.match(expecting, /^HTTP\/1\.1 413 /);
  const chunked = await raw(
    `${head}Transfer-Encoding: chunked\r\n\r\n${`10000\r\n${'x'.repeat(0x10000)}\r\n`.repeat(17)}`,
  );
  assert.match(chunked, /^HTTP\/1\.1 413 /);
  const fits = {
    options: [{ section: 'A', name: 'B', value: 'x' }],
    pad: 'x'.repeat(1_000_000),
    desiredState: 'inactive',
  };
  assert.equal((await ask(api.url + path, { method: 'PUT', body: fits })).status, 201);
  const polite = {
    method: 'PUT',
    body: fits,
    headers: { expect: '100-continue', 'content-length': String(JSON.stringify(fits).length) },
  };
  assert.equal((await ask(api.url + path, polite)).status, 204);
});

test('odd bytes get an error answer and harm nobody', async () => {
  const put =
    'PUT /fleet/v1/units/odd.service HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n';
  const cases: readonly [string | Buffer, RegExp][] = [
    ['nonsense\r\n\r\n', /^HTTP\/1\.1 400 .*malformed request/s],
    ['GET /fleet/v1/units HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['GET /fleet/v1/version HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200 /],
    ['GET /fleet/v1/units/%zz%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 404 /],
    [`GET /${'x'.repeat(40_000)} HTTP/1.1\r\n\r\n`, /^HTTP\/1\.1 431 .*head is larger than 32768 bytes/s],
    [`GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(10_000)}\r\n`, /^HTTP\/1\.1 431 /],
    [`${put}Content-Length: 2\r\n\r\n\xff\xfe`, /^HTTP\/1\.1 400 /],
    [Buffer.concat([Buffer.from(`${put}Content-Length: 2\r\n\r\n`), Buffer.from([0xff, 0xfe])]), /not valid UTF-8/],
    [`${put}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, /^HTTP\/1\.1 400 /],
    [`${put}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, /^HTTP\/1\.1 400 /],
  ];
  for (const [bytes, expected] of cases) {
    const answer = await raw(bytes);
    assert.match(answer, expected, String(bytes).slice(0, 80));
    assert.match(answer, /\r\nserver: fleetd\/9\.9\.9\r\n/i);
  }
  assert.equal((await ask(`${api.url}/fleet/v1/version`)).status, 200);
});

test('a client that hangs up in the middle of its body leaves nothing behind', async () => {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  socket.write(
    'PUT /fleet/v1/units/cut.service HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"desir',
  );
  await eventually('the request to be there', () => socket.bytesWritten > 100 || undefined);
  socket.destroy();
  assert.equal((await ask(`${api.url}/fleet/v1/units/cut.service`)).status, 404);
});

test('web pages of other sites may neither change anything nor read', async () => {
  const { host } = new URL(api.url);
  const url = `${api.url}/fleet/v1/units/none.service`;
  const status = async (headers: Record<string, string>, method = 'DELETE') =>
    (await ask(url, { method, headers })).status;
  assert.equal(await status({ origin: 'http://evil.example' }), 403);
  assert.equal(await status({ origin: 'null' }), 403);
  assert.equal(await status({ origin: 'http://evil.example:80', host: 'evil.example:80' }), 403);
  assert.equal(await status({ 'sec-fetch-site': 'cross-site' }), 403);
  assert.equal(await status({ origin: `http://${host}` }), 404);
  assert.equal(await status({}), 404);
  assert.equal(await status({ origin: 'http://evil.example' }, 'GET'), 403);
  assert.equal(await status({ host: 'evil.example' }, 'GET'), 403);
});

test('a hook sees every request and may refuse it', async () => {
  const { FlotillaError } = await import('../lib/index.ts');
  const seen: string[] = [];
  const other = await openTestApi({
    on: shared,
    authorize: ({ method, path, access, header }) => {
      seen.push(`${method} ${path} ${access}`);
      if (header('x-token') !== 'good') throw new FlotillaError('unauthorized', 'a token is needed');
    },
  });
  const refused = await ask(`${other.url}/fleet/v1/units`);
  assert.deepEqual(refused.json, { error: { code: 401, message: 'a token is needed' } });
  assert.equal((await ask(`${other.url}/fleet/v1/units`, { headers: { 'x-token': 'good' } })).status, 200);
  await ask(`${other.url}/metrics`);
  await ask(`${other.url}/fleet/v1/units/x.service`, { method: 'DELETE' });
  assert.deepEqual(seen, [
    'GET /fleet/v1/units read',
    'GET /fleet/v1/units read',
    'GET /metrics read',
    'DELETE /fleet/v1/units/x.service write',
  ]);
  await other.close();
});

test('clients that take for ever are answered and let go', async () => {
  const limits = { headTimeoutMs: 300, requestTimeoutMs: 600, idleTimeoutMs: 500 };
  const other = await openTestApi({ on: shared, listeners: [] });
  const served = await serveApi(other.api, [{ host: '127.0.0.1', port: 0 }], limits);
  const slow = async (text: string) => {
    const socket = connect(Number(new URL(served.addresses[0]!).port), '127.0.0.1');
    socket.write(text);
    return readAll(socket);
  };
  assert.match(await slow('GET /fleet/v1/units HTTP/1.1\r\nHost: x\r\n'), /^HTTP\/1\.1 408 .*did not arrive in time/s);
  const head = 'PUT /fleet/v1/units/s.service HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  const halfBody = await slow(`${head}Content-Length: 50\r\n\r\n{`);
  assert.ok(halfBody === '' || /^HTTP\/1\.1 4/.test(halfBody), halfBody);
  assert.match(await slow(''), /^$|^HTTP\/1\.1 408 /);
  await served.close();
});
