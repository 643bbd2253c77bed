import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ask, openTestApi, service } from '../../src/api/test-api.ts';
import { get, openTestConsul, put } from '../../src/consul/test-consul.ts';
import { createLog } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';

const MB = 1 << 20;

/** A client that asks for `path` and reads nothing of the response. */
async function deaf(t: TestContext, url: string, path: string, times = 1): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) }).pause();
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(times));
  return socket;
}

const ENDED = /Connection ended.* client=127\.0\.0\.1 reason="clients have left \d+ bytes unread, it the most of them"/;

test("clients of fleet's API that do not read its lists are held within a limit, and the others served", async (t) => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), 'info');
  const api = await openTestApi({ log, unread: { maxBytes: 40 * MB } });
  t.after(() => api.close());
  const long = { section: 'Service', name: 'Environment', value: `A=${'x'.repeat(1000)}` };
  const options = [...service(), ...Array.from({ length: 400 }, () => long)];
  for (let i = 0; i < 16; i++) {
    const body = { desiredState: 'inactive', options };
    assert.equal((await ask(`${api.url}/fleet/v1/units/u${i}.service`, { method: 'PUT', body })).status, 201);
  }
  const unread = async () => Number(/^fleet_api_unread_bytes (\d+)$/m.exec((await ask(`${api.url}/metrics`)).text)![1]);
  const first = await deaf(t, api.url, '/fleet/v1/units', 50);
  await until('its first response waits', async () => (await unread()) > MB);
  const bytes = await unread();
  assert.ok(bytes < 10 * MB, `50 requests hold ${bytes} bytes`);
  const others = await Promise.all(Array.from({ length: 9 }, () => deaf(t, api.url, '/fleet/v1/units')));
  await until('the limit is met', () => ENDED.test(lines.join('\n')));
  assert.ok((await unread()) <= 40 * MB);
  assert.equal((await ask(`${api.url}/fleet/v1/units`)).json.units.length, 16);
  for (const socket of [first, ...others]) socket.destroy();
  await until('all is given back', async () => (await unread()) === 0);
});

test("clients of Consul's API that do not read are held within a limit, and the others served", async (t) => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), 'info');
  const { machines } = await openTestConsul(1, log, { maxBytes: 40 * MB });
  const { url } = machines[0]!;
  for (let i = 0; i < 16; i++) assert.equal((await put(`${url}/v1/kv/t/${i}`, 'x'.repeat(500_000))).body, 'true');
  for (let i = 0; i < 6; i++) await deaf(t, url, '/v1/kv/t/?recurse');
  await until('the limit is met', () => ENDED.test(lines.join('\n')));
  assert.equal((await get(`${url}/v1/kv/t/?recurse`)).json.length, 16);
});

test('a connection to Consul’s API has one query waiting, and a hundred behind it', async (t) => {
  const lines: string[] = [];
  const { machines } = await openTestConsul(
    1,
    createLog((line) => lines.push(line), 'info'),
  );
  const { url } = machines[0]!;
  assert.equal((await put(`${url}/v1/kv/k`, 'x')).body, 'true');
  const { index } = await get(`${url}/v1/kv/k`);
  const socket = await deaf(t, url, `/v1/kv/k?index=${index}&wait=10m`, 200);
  await once(socket.resume(), 'close');
  assert.match(lines.join('\n'), /Connection ended.* reason="it sends more than 100 requests ahead"/);
  assert.equal((await get(`${url}/v1/kv/k`)).status, 200);
});
