import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentRoutes } from '../../src/consul/agent-routes.ts';
import { catalogRoutes } from '../../src/consul/catalog-routes.ts';
import { healthRoutes } from '../../src/consul/health-routes.ts';
import { kvRoutes } from '../../src/consul/kv-routes.ts';
import { sessionRoutes } from '../../src/consul/session-routes.ts';
import { statusRoutes } from '../../src/consul/status-routes.ts';
import { call, get, openTestConsul, put } from '../../src/consul/test-consul.ts';
import { txnRoutes } from '../../src/consul/txn-routes.ts';
import { createLog } from '../../src/lib/index.ts';
import { fuzz } from './fuzz.ts';
import { residentMb } from './grpc-client.ts';
import { bytesOf, exchange, framingTricks, readResponses, requestTo, slowClients } from './http-attacks.ts';

const MAX_GROWTH_MB = 250;
const lines: string[] = [];
const log = createLog((line) => lines.push(line), 'info');
const { machines } = await openTestConsul(1, log);
const { url, port } = machines[0]!;
const startMb = residentMb();

/** An honest client writes a pair, reads it and deletes it; the server has logged no fault and kept its memory. */
async function assertWell(): Promise<void> {
  assert.equal((await put(`${url}/v1/kv/honest`, 'yes')).body, 'true');
  assert.equal((await get(`${url}/v1/kv/honest?raw`)).body, 'yes');
  assert.equal((await call('DELETE', `${url}/v1/kv/honest`)).body, 'true');
  assert.deepEqual(
    lines.filter((line) => / ERROR |API failed/.test(line)),
    [],
  );
  assert.ok(residentMb() - startMb < MAX_GROWTH_MB, `memory grew from ${startMb} to ${residentMb()} MB`);
}

/** What clients can have written; sessions may end by themselves, but none may come. */
async function written(): Promise<{ readonly kept: string; readonly sessions: readonly string[] }> {
  const [pairs, services, checks, nodes, sessions] = await Promise.all(
    ['kv/?recurse', 'agent/services', 'agent/checks', 'catalog/nodes', 'session/list'].map((path) =>
      get(`${url}/v1/${path}`),
    ),
  );
  const ids = (got: typeof services) => Object.keys(got!.json).sort();
  const names = nodes!.json.map(({ Node }: { Node: string }) => Node);
  const kept = JSON.stringify([pairs!.body, ids(services), ids(checks), names]);
  return { kept, sessions: sessions!.json.map(({ ID }: { ID: string }) => ID) };
}

const ROUTES = [agentRoutes, catalogRoutes, healthRoutes, kvRoutes, sessionRoutes, statusRoutes, txnRoutes];
const PATHS = ROUTES.flatMap((routes) => routes()).map(({ path, deep }) => (deep ? `${path}:rest` : path));

test('a request that is refused changes nothing, whatever it is, and every response is one', async () => {
  assert.ok(PATHS.length > 30, 'the routes are known');
  let state = await written();
  await fuzz(
    requestTo([...PATHS, '/v1/:any', '/:any', '/', '/v1/kv/:a/:b']),
    async (request) => {
      const isCut = request.sent < request.body.length;
      const bytes = await exchange(port, bytesOf(request), { piece: request.piece, end: isCut });
      const responses = readResponses(bytes, request.method);
      assert.ok(responses.length <= 1, `${responses.length} responses to one request`);
      const before = state;
      state = await written();
      if (responses.some(({ status }) => status < 400) || isCut) return;
      assert.equal(state.kept, before.kept, `refused with ${responses[0]?.status}, and yet it changed something`);
      assert.ok(
        state.sessions.every((id) => before.sessions.includes(id)),
        'a session has come',
      );
    },
    { runs: 250 },
  );
  await assertWell();
});

test('requests that two servers may read differently are read in one way or refused', async () => {
  const { kept } = await written();
  for (const [trick, text] of Object.entries(framingTricks('/v1/agent/service/register'))) {
    const bytes = await exchange(port, Buffer.from(text, 'latin1'), { end: true });
    assert.ok(readResponses(bytes, 'GET').length <= 2, trick);
  }
  assert.equal((await written()).kept, kept, 'none of them is an order');
  await assertWell();
});

test('clients that never end their requests hold up nobody', async () => {
  const head = 'PUT /v1/kv/slow HTTP/1.1\r\nHost: 127.0.0.1\r\n';
  const slow = await Promise.all([
    slowClients(port, head, 100),
    slowClients(port, `${head}Content-Length: 500000\r\n\r\nx`, 100),
    slowClients(port, `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nx`, 100),
  ]);
  await assertWell();
  for (const clients of slow) clients.end();
  await assertWell();
  assert.equal((await get(`${url}/v1/kv/slow`)).status, 404);
});
