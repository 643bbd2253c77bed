import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SseReader } from './sse-reader.ts';
import { type AskOptions, ask, eventually, joinMachine, openTestApi, openTestCluster, service } from './test-api.ts';

const MESSAGE = 'fleet server unable to communicate with etcd';
const OUTAGE = `${MESSAGE} at http://10.0.0.1:2379: what runs goes on running, and nothing can be changed until it answers`;
const body = { options: service(), desiredState: 'inactive' };

test('while the store is away everything that needs it is 503, and works again afterwards', async () => {
  const cluster = await openTestCluster(500);
  const api = await openTestApi({ on: cluster, storeTimeoutMs: 1500, storeEndpoints: ['http://10.0.0.1:2379'] });
  const at = (path: string) => `${api.url}/fleet/v1${path}`;
  await joinMachine(api.cluster, '1'.repeat(32));
  assert.equal((await ask(at('/units/a.service'), { method: 'PUT', body })).status, 201);
  const stream = await SseReader.open(at('/events'));
  await stream.until(({ type }) => type === 'ready');

  await api.stopStore();
  const refused = async (path: string, asked: AskOptions = {}) => {
    const answer = await ask(at(path), asked);
    assert.deepEqual([answer.status, answer.json], [503, { error: { code: 503, message: OUTAGE } }], path);
  };
  const reads = ['', '/a.service', '/a.service/why'].map((path) => `/units${path}`);
  await Promise.all([...reads, '/state', '/machines', '/summaries', '/health', '/events'].map((path) => refused(path)));
  await Promise.all([
    refused('/units/b.service', { method: 'PUT', body }),
    refused('/units/a.service', { method: 'DELETE' }),
    refused('/machines', { method: 'PATCH', body: [{ op: 'add', path: '/x/metadata/y', value: 'z' }] }),
  ]);
  for (const path of ['/version', '/discovery']) assert.equal((await ask(at(path))).status, 200, path);
  assert.equal((await ask(`${api.url}/metrics`)).status, 200);

  await api.startStore();
  await eventually('the API to answer again', async () => (await ask(at('/health'))).status === 200 || undefined);
  const { json } = await ask(at('/units'));
  assert.deepEqual(
    json.units.map(({ name }: { name: string }) => name),
    ['a.service'],
  );
  const put = { method: 'PUT', body: { desiredState: 'loaded' } };
  assert.equal((await ask(at('/units/a.service'), put)).status, 204);
  await stream.until((event) => event.type === 'unit' && event.unit?.desiredState === 'loaded');
  stream.close();
  await api.close();
  await cluster.close();
});

test('a fleetd that must not speak for the cluster says so at once, and only as long', async () => {
  let available = false;
  const api = await openTestApi({ available: () => available });
  const units = `${api.url}/fleet/v1/units`;
  const { message } = (await ask(units)).json.error;
  assert.equal(
    message,
    `${MESSAGE}: another machine has the id of this one, whose units run on: give it an id of its own`,
  );
  assert.equal((await ask(`${api.url}/fleet/v1/health`)).status, 503);
  available = true;
  assert.equal((await ask(units)).status, 200);
  await api.close();
});

test('nothing of the cluster is watched while nobody asks', async () => {
  const api = await openTestApi({ viewIdleMs: 200 });
  let open = 0;
  const { fullView } = api.cluster;
  const counted = await openTestApi({
    on: api,
    viewIdleMs: 200,
    cluster: {
      ...api.cluster,
      fullView: async (signal) => {
        const view = await fullView(signal);
        open++;
        signal.addEventListener('abort', () => open--);
        return view;
      },
    },
  });
  const at = (path: string) => `${counted.url}/fleet/v1${path}`;
  await ask(at('/version'));
  await ask(at('/health'));
  assert.equal(open, 0);
  await Promise.all(Array.from({ length: 20 }, () => ask(at('/units'))));
  assert.equal(open, 1, 'first requests share one view');
  await eventually('the view to be closed', () => open === 0 || undefined);
  const stream = await SseReader.open(at('/events'));
  await stream.until(({ type }) => type === 'ready');
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(open, 1, 'an event stream keeps it open');
  stream.close();
  await eventually('the view to be closed again', () => open === 0 || undefined);
  await counted.close();
  await api.close();
});
