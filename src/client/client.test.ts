import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock, systemRandom } from '../lib/index.ts';
import { freePort } from '../lib/test-free-port.ts';
import type { ApiEvent } from './index.ts';
import { type Endpoint, FleetClient } from './index.ts';

/** What lies on the wire is tested here, with a server that can misbehave; the calls themselves with the real one. */
type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(handler: Handler): Promise<{ server: Server; endpoint: Endpoint; [Symbol.dispose](): void }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { server, endpoint: tcp(port), [Symbol.dispose]: close };
}

function tcp(port: number): Endpoint {
  return { kind: 'tcp', tls: false, host: '127.0.0.1', port, prefix: '' };
}

function clientOf(endpoints: readonly Endpoint[], requestTimeoutMs = 2000): FleetClient {
  return new FleetClient({ endpoints, requestTimeoutMs, clock: systemClock, random: systemRandom });
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

test('names are escaped, and the server’s own message is the error', async () => {
  const urls: string[] = [];
  using api = await serve((request, response) => {
    urls.push(`${request.method} ${request.url}`);
    json(response, 400, { error: { code: 400, message: 'cannot activate template "a@.service"' } });
  });
  const client = clientOf([api.endpoint]);
  await assert.rejects(client.putUnit('a@.service', { desiredState: 'launched' }), {
    code: 'invalid',
    message: 'cannot activate template "a@.service"',
  });
  assert.deepEqual(urls, ['PUT /fleet/v1/units/a%40.service']);
  client.close();
});

test('a unit is put again while the store does not answer, and not for longer than one request may take', async () => {
  let down = 2;
  using api = await serve((_, response) => {
    if (down-- > 0)
      json(response, 503, { error: { code: 503, message: 'fleet server unable to communicate with etcd' } });
    else response.writeHead(204).end();
  });
  const client = clientOf([api.endpoint]);
  await client.putUnit('a.service', { name: 'a.service', desiredState: 'loaded' });
  assert.equal(down, -1);
  down = 1000;
  const soon = clientOf([api.endpoint], 100);
  const put = soon.putUnit('a.service', { name: 'a.service', desiredState: 'loaded' });
  await assert.rejects(put, { code: 'unavailable', message: 'fleet server unable to communicate with etcd' });
  assert.ok(down > 980);
  client.close();
  soon.close();
});

test('a unit that is gone when its deletion is tried again was deleted', async () => {
  const statuses = [503, 404, 404];
  using api = await serve((_, response) => json(response, statuses.shift()!, { error: { code: 0, message: 'no' } }));
  const client = clientOf([api.endpoint]);
  assert.equal(await client.deleteUnit('a.service'), true);
  assert.equal(await client.deleteUnit('a.service'), false);
  client.close();
});

test('pages are followed to their end', async () => {
  using api = await serve((request, response) => {
    const last = request.url!.includes('nextPageToken=more');
    json(response, 200, { machines: [{ id: last ? 'b' : 'a' }], ...(last ? {} : { nextPageToken: 'more' }) });
  });
  const client = clientOf([api.endpoint]);
  assert.deepEqual(
    (await client.machines()).map(({ id }) => id),
    ['a', 'b'],
  );
  client.close();
});

test('a server that speaks no fleet API is named', async () => {
  using api = await serve((_, response) => response.end('<html>'));
  const client = clientOf([api.endpoint]);
  await assert.rejects(client.machines(), /127\.0\.0\.1:\d+ answered HTTP 200: it does not look like a fleet API/);
  client.close();
});

test('an endpoint that refuses, is not there or stays silent is an error of one sentence', async () => {
  const port = await freePort();
  await assert.rejects(clientOf([tcp(port)]).machines(), {
    code: 'unavailable',
    message: `cannot reach the fleet API at http://127.0.0.1:${port} (connection refused)`,
  });
  await assert.rejects(clientOf([{ kind: 'unix', path: '/nowhere/x.sock' }]).machines(), {
    code: 'unavailable',
    message: 'cannot reach the fleet API at unix:///nowhere/x.sock (there is no such socket)',
  });
  using silent = await serve(() => {});
  await assert.rejects(clientOf([silent.endpoint], 50).machines(), {
    code: 'timeout',
    message: /no answer within 0.05 s/,
  });
});

test('the next endpoint is taken when one is not there, and kept', async () => {
  let requests = 0;
  using api = await serve((_, response) => {
    requests++;
    json(response, 200, { machines: [] });
  });
  const client = clientOf([{ kind: 'unix', path: '/nowhere/x.sock' }, tcp(await freePort()), api.endpoint]);
  await Promise.all([client.machines(), client.machines(), client.machines()]);
  assert.deepEqual([requests, client.endpoint], [3, api.endpoint]);
  client.close();
});

test('a kept connection that the server has closed is not an error', async () => {
  using api = await serve((_, response) => json(response, 200, { machines: [] }));
  const client = clientOf([api.endpoint]);
  await client.machines();
  api.server.closeAllConnections();
  await client.machines();
  client.close();
});

test('an event stream that is cut goes on where it was, and the reset of one that cannot is passed on', async () => {
  const asked: string[] = [];
  using api = await serve((request, response) => {
    asked.push(request.url!);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (event: object, id?: number) =>
      response.write(`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(event)}\n\n`);
    if (asked.length === 1) {
      send({ type: 'unit', revision: 3, name: 'a.service', unit: null });
      send({ type: 'ready', revision: 3, machines: 1 }, 3);
      send({ type: 'unit', revision: 4, name: 'other.service', unit: null }, 4);
      response.end();
    } else if (asked.length === 2) response.destroy();
    else send({ type: 'reset', revision: 9 });
  });
  const client = clientOf([api.endpoint]);
  const abort = new AbortController();
  const seen: ApiEvent['type'][] = [];
  const cuts: string[] = [];
  const opened: boolean[] = [];
  const options = {
    units: ['a.service'],
    signal: abort.signal,
    onCut: (error: Error) => cuts.push(error.message),
    onOpen: (resumed: boolean) => opened.push(resumed),
  };
  for await (const event of client.events(options)) {
    seen.push(event.type);
    if (event.type === 'reset') abort.abort();
  }
  assert.deepEqual(seen, ['unit', 'ready', 'reset']);
  assert.deepEqual(asked, [
    '/fleet/v1/events?unit=a.service',
    '/fleet/v1/events?unit=a.service&after=4',
    '/fleet/v1/events?unit=a.service&after=4',
  ]);
  assert.deepEqual(opened, [false, true]);
  assert.equal(cuts[0], 'the event stream ended');
  client.close();
});

test('an event stream that cannot be opened at all is an error', async () => {
  const events = clientOf([tcp(await freePort())]).events({ signal: AbortSignal.timeout(5000) });
  await assert.rejects(events.next(), { code: 'unavailable' });
});

const openssl = spawnSync('openssl', ['version']).status === 0;

test('an https endpoint is trusted by its authority, and shown the client’s certificate', {
  skip: !openssl && 'no openssl',
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-tls-'));
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1';
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert];
  assert.equal(spawnSync('openssl', [...args.split(' '), ...names]).status, 0);
  const tls = { ca: readFileSync(cert), cert: readFileSync(cert), key: readFileSync(key), requestCert: true };
  const server = createTlsServer(tls, (_, response) => json(response, 200, { machines: [] }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = { ...tcp((server.address() as AddressInfo).port), tls: true } as Endpoint;
  const options = { endpoints: [endpoint], requestTimeoutMs: 2000, clock: systemClock, random: systemRandom };
  const trusting = new FleetClient({ ...options, tls: { ca: cert, cert, key } });
  assert.deepEqual(await trusting.machines(), []);
  await assert.rejects(new FleetClient(options).machines(), /its certificate is self-signed; name it with --ca-file/);
  const { port } = server.address() as AddressInfo;
  const dialed = new FleetClient({ ...options, dial: () => connect(port, '127.0.0.1'), tls: { ca: cert, cert, key } });
  assert.deepEqual(await dialed.machines(), []);
  dialed.close();
  const missing = new FleetClient({ ...options, tls: { ca: '/nowhere' } });
  await assert.rejects(missing.machines(), /cannot read the TLS file \/nowhere/);
  trusting.close();
  server.close();
  server.closeAllConnections();
  rmSync(directory, { recursive: true });
});

test('connections of a dialer are shared by requests, and a stream does not take one from them', async () => {
  using api = await serve((request, response) => {
    if (request.url!.includes('/journal')) response.writeHead(200).write('line\n');
    else json(response, 200, { units: [] });
  });
  const { port } = api.server.address() as AddressInfo;
  let dialed = 0;
  const dial = () => {
    dialed++;
    return connect(port, '127.0.0.1');
  };
  const options = { requestTimeoutMs: 2000, clock: systemClock, random: systemRandom };
  const client = new FleetClient({ endpoints: [api.endpoint], dial, ...options });
  const lasting = Array.from({ length: 6 }, () => client.journal('a.service', { follow: true }));
  for (const journal of lasting) assert.equal((await journal.next()).value, 'line\n');
  assert.equal(dialed, 6);
  await Promise.all(Array.from({ length: 20 }, () => client.summaries()));
  assert.ok(dialed <= 10, `${dialed} connections`);
  client.close();
});

test('more names than a URL holds are asked for without naming them', async () => {
  const asked: string[] = [];
  using api = await serve((request, response) => {
    asked.push(request.url!);
    json(response, 200, { units: [{ name: 'unit-7.service' }, { name: 'stranger.service' }] });
  });
  const client = clientOf([api.endpoint]);
  const names = Array.from({ length: 1000 }, (_, i) => `unit-${i}.service`);
  assert.deepEqual(await client.summaries(names), [{ name: 'unit-7.service' }]);
  assert.deepEqual(asked, ['/fleet/v1/summaries']);
  client.close();
});

test('a server that answers one request after the other is busy, not gone; one that falls silent is', async () => {
  const waiting: ServerResponse[] = [];
  using busy = await serve((_, response) => waiting.push(response));
  const client = clientOf([busy.endpoint], 400);
  const puts = ['a', 'b', 'c', 'd', 'e'].map((name) => client.putUnit(`${name}.service`, { desiredState: 'inactive' }));
  const timer = setInterval(() => waiting.shift()?.writeHead(204).end(), 200);
  await Promise.all(puts).finally(() => clearInterval(timer));
  await assert.rejects(client.units(), { code: 'timeout' });
  client.close();
});
