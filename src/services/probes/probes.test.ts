import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, test } from 'node:test';
import { systemClock as clock } from '../../lib/index.ts';
import type { ActiveProbe, CheckResult } from '../check-result.ts';
import { runProbe } from './index.ts';

const PACE = { intervalMs: 1000, timeoutMs: 1000 };
const host = '127.0.0.1';
const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

/** Probes once, for at most `ms`. */
async function look(probe: ActiveProbe, ms = 5000): Promise<CheckResult> {
  const late = new AbortController();
  const cancel = clock.after(ms, () => late.abort(new Error('late')));
  try {
    return await runProbe(probe, late.signal);
  } finally {
    cancel();
  }
}

function http(port: number, path: string, method = 'GET'): ActiveProbe {
  const url = `http://${host}:${port}${path}`;
  return { type: 'http', url, method, headers: { 'x-check': ['a', 'b'] }, body: 'hi', verify: true, ...PACE };
}

test('http: 2xx is passing, 429 warning, all else critical; an endless response is read no further than needed', async () => {
  const web = createHttpServer((request, response) => {
    const status = Number(request.url!.slice(1)) || 200;
    response.writeHead(status, { location: '/200' });
    if (request.url === '/endless') {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', more);
      return more();
    }
    let body = '';
    request.on('data', (part: Buffer) => (body += part));
    request.on('end', () => response.end(`${request.method} ${request.headers['x-check']} ${body}`));
  });
  const port = await listen(web);
  const statuses = [200, 204, 302, 404, 429, 503].map(async (code) => (await look(http(port, `/${code}`))).status);
  assert.deepEqual(await Promise.all(statuses), ['passing', 'passing', 'critical', 'critical', 'warning', 'critical']);
  const { output } = await look(http(port, '/200', 'PUT'));
  assert.equal(output, `HTTP PUT http://${host}:${port}/200: 200 OK Output: PUT a, b hi`);
  assert.equal((await look(http(port, '/endless'))).status, 'passing');
});

test('http: a server that accepts and never responds times out, and one that is not there refuses', async () => {
  const port = await listen(createServer(() => {}));
  await assert.rejects(look(http(port, '/'), 100));
  const gone = createServer();
  const free = await listen(gone);
  await new Promise((resolve) => gone.close(resolve));
  await assert.rejects(look(http(free, '/')), /ECONNREFUSED/);
});

test('tcp', async () => {
  const server = createServer((socket) => socket.destroy());
  const port = await listen(server);
  assert.equal((await look({ type: 'tcp', host, port, ...PACE })).status, 'passing');
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(look({ type: 'tcp', host, port, ...PACE }), /ECONNREFUSED/);
});

/** Responds by the service asked about: serving, not serving, or with a status of gRPC itself. */
function answerHealth(stream: ServerHttp2Stream, asked: string): void {
  const failed = asked === 'unknown';
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () =>
    stream.sendTrailers({ 'grpc-status': failed ? '5' : '0', 'grpc-message': 'none%20such' }),
  );
  stream.end(failed ? undefined : Buffer.from([0, 0, 0, 0, 2, 0x08, asked === 'down' ? 2 : 1]));
}

test('grpc: the standard health service, of the server or of one service', async () => {
  const server = createHttp2Server();
  server.on('stream', (stream, headers) => {
    assert.equal(headers[':path'], '/grpc.health.v1.Health/Check');
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => answerHealth(stream, Buffer.concat(parts).subarray(7).toString()));
  });
  const port = await listen(server);
  const grpc = (service: string) => look({ type: 'grpc', host, port, service, tls: false, verify: false, ...PACE });
  assert.deepEqual(await grpc(''), { status: 'passing', output: `gRPC check ${host}:${port}/: SERVING` });
  assert.deepEqual(await grpc('down'), { status: 'critical', output: `gRPC check ${host}:${port}/down: NOT_SERVING` });
  await assert.rejects(grpc('unknown'), /gRPC status 5 none%20such/);
  const web = await listen(createHttpServer((_, response) => response.end()));
  await assert.rejects(look({ type: 'grpc', host, port: web, service: '', tls: false, verify: false, ...PACE }));
});

test('script: the exit status decides, and what it prints is kept', async () => {
  const script = (text: string, ms?: number) =>
    look({ type: 'script', args: ['sh', '-c', text], env: { SERVICE_PORT: '80' }, ...PACE }, ms);
  assert.deepEqual(await script('echo port $SERVICE_PORT'), { status: 'passing', output: 'port 80' });
  assert.deepEqual(await script('echo bad >&2; exit 1'), { status: 'warning', output: 'bad' });
  assert.deepEqual(await script('exit 2'), { status: 'critical', output: '' });
  assert.deepEqual(await script('kill -9 $$'), { status: 'critical', output: '' });
  assert.equal((await script('yes | head -c 1000000')).status, 'passing');
  await assert.rejects(look({ type: 'script', args: ['/no/such'], env: {}, ...PACE }), /ENOENT/);
});

test('script: one that takes too long is killed with what it started', async () => {
  const mark = `${process.pid}${Math.round(clock.monotonic())}`;
  await assert.rejects(
    look({ type: 'script', args: ['sh', '-c', `sleep 9${mark} & wait`], env: {}, ...PACE }, 200),
    /late/,
  );
  const running = await look({
    type: 'script',
    args: ['sh', '-c', `pgrep -f 'sleep 9${mark}$' | wc -l`],
    env: {},
    ...PACE,
  });
  assert.equal(running.output, '0');
});
