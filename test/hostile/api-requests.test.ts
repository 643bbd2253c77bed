import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, joinMachine, openTestApi, SELF, service, type TestApi } from '../../src/api/test-api.ts';
import { systemClock as clock, createLog, systemRandom as random, silentLog } from '../../src/lib/index.ts';
import { openEtcdStore, type Store } from '../../src/store/index.ts';
import { fuzz } from './fuzz.ts';
import { residentMb } from './grpc-client.ts';
import { bytesOf, exchange, framingTricks, readResponses, requestTo, slowClients } from './http-attacks.ts';

const MAX_GROWTH_MB = 250;
const lines: string[] = [];
let api: TestApi;
let store: Store;
let port: number;
let startMb: number;

before(async () => {
  api = await openTestApi({ log: createLog((line) => lines.push(line), 'info') });
  port = Number(new URL(api.url).port);
  store = openEtcdStore({ endpoints: [api.endpoint], clock, random, log: silentLog });
  await joinMachine(api.cluster, SELF, { endpoint: api.url });
  // The secret by which machines know each other is made when it is first asked for.
  await ask(`${api.url}/fleet/v1/peer/units/x.service/status`, { headers: { authorization: 'Bearer x' } });
  startMb = residentMb();
});
after(async () => {
  await store.close();
  await api.close();
});

const UNIT = '/fleet/v1/units/honest.service';

/** An honest client puts a unit, reads it and destroys it; the server has logged no fault and kept its memory. */
async function assertWell(): Promise<void> {
  const put = await ask(api.url + UNIT, { method: 'PUT', body: { desiredState: 'inactive', options: service() } });
  assert.equal(put.status, 201, put.text);
  assert.equal((await ask(api.url + UNIT)).json.name, 'honest.service');
  assert.equal((await ask(api.url + UNIT, { method: 'DELETE' })).status, 204);
  assert.deepEqual(
    lines.filter((line) => / ERROR |Request failed/.test(line)),
    [],
  );
  assert.ok(residentMb() - startMb < MAX_GROWTH_MB, `memory grew from ${startMb} to ${residentMb()} MB`);
}

async function pathsServed(): Promise<string[]> {
  const { json } = await ask(`${api.url}/fleet/v1/openapi.json`);
  const documented = Object.keys(json.paths).map((path) => path.replaceAll(/\{(\w+)\}/g, ':$1'));
  assert.ok(documented.length > 10, 'the API documents its paths');
  const prefix = (path: string) => (path.startsWith('/fleet/v1') ? path : `/fleet/v1${path}`);
  return [
    ...documented.map(prefix),
    ...['/fleet/v1/peer/units/:name/status', '/fleet/v1/peer/units/:name/journal', '/fleet/v1/discovery'],
    ...[
      '/v1-alpha/units',
      '/v1-alpha/units/:name',
      '/metrics',
      '/',
      '/:any',
      '/fleet/v1/:any/:other',
      '//fleet/v1/units',
    ],
  ];
}

test('a request that is refused changes nothing, whatever it is, and every response is one', async () => {
  const paths = await pathsServed();
  await fuzz(
    requestTo(paths),
    async (request) => {
      const revision = await store.revision();
      // The API takes a client that closes its side as one that waits for its response; a stream ends then.
      const bytes = await exchange(port, bytesOf(request), { piece: request.piece, end: true });
      const responses = readResponses(bytes, request.method);
      assert.ok(responses.length <= 1, `${responses.length} responses to one request`);
      const writes = ['PUT', 'DELETE', 'PATCH', 'POST'].includes(request.method);
      if (!writes || responses.every(({ status }) => status >= 400))
        assert.equal(await store.revision(), revision, `refused with ${responses[0]?.status}, the store changed`);
    },
    { runs: 400 },
  );
  await assertWell();
});

test('requests that two servers may read differently are read in one way or refused', async () => {
  const revision = await store.revision();
  for (const [trick, text] of Object.entries(framingTricks('/fleet/v1/units/smuggled.service'))) {
    const bytes = await exchange(port, Buffer.from(text, 'latin1'), { end: true });
    const responses = readResponses(bytes, 'GET');
    assert.ok(responses.length <= 2, `${trick}: ${responses.length} responses`);
    assert.ok(
      responses.every(({ status }) => status >= 200),
      trick,
    );
  }
  assert.equal(await store.revision(), revision, 'none of them is an order');
  await assertWell();
});

test('clients that never end their requests hold up nobody', async () => {
  const head = `PUT ${UNIT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;
  const slow = await Promise.all([
    slowClients(port, head, 100),
    slowClients(port, `${head}Content-Length: 500000\r\n\r\n{"options":[`, 100),
    slowClients(port, `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"opt`, 100),
    slowClients(port, `${head}Expect: 100-continue\r\nContent-Length: 500000\r\n\r\n`, 100),
  ]);
  await assertWell();
  for (const clients of slow) clients.end();
  await assertWell();
});
