import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { SseReader } from '../../src/api/sse-reader.ts';
import { ask, joinMachine, open, openTestApi, place, SELF, type TestApi } from '../../src/api/test-api.ts';
import { systemClock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { NO_NEEDS } from '../../src/model/index.ts';
import type { UnitRuntime } from '../../src/runtime/index.ts';

const TEXT = '[Service]\nExecStart=/bin/true\n';

function putUnit({ cluster }: TestApi, name: string) {
  return cluster.putUnit({ name, hash: 'h1', desired: 'launched', needs: NO_NEEDS }, TEXT, undefined);
}

const metric = async ({ url }: TestApi, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await ask(`${url}/metrics`)).text)![1]);

/** An API whose only unit writes these lines; counts those that were taken. */
async function unitThatWrites(t: TestContext, write: (signal: AbortSignal) => AsyncIterable<string>) {
  let lines = 0;
  const logs = async function* (_name: string, { signal }: { readonly signal: AbortSignal }) {
    for await (const line of write(signal)) {
      lines++;
      yield line;
    }
  };
  const api = await openTestApi({ runtime: { logs, units: async () => [] } as unknown as UnitRuntime });
  t.after(() => api.close());
  const machine = await joinMachine(api.cluster, SELF, { endpoint: api.url });
  await putUnit(api, 'loud.service');
  await place(api.cluster, machine, [{ unit: 'loud.service', hash: 'h1' }]);
  return { api, journal: `${api.url}/fleet/v1/units/loud.service/journal`, lines: () => lines };
}

async function* withoutEnd() {
  for (let line = 0; ; line++) {
    yield 'x'.repeat(1000);
    if (line % 100 === 0) await new Promise(setImmediate);
  }
}

async function* once(signal: AbortSignal) {
  yield 'one line';
  await systemClock.sleep(3_600_000, signal).catch(() => {});
}

test('a journal is read from its unit no faster than its client reads it', async (t) => {
  const { api, journal, lines } = await unitThatWrites(t, withoutEnd);
  const response = (await open(`${journal}?follow=true`)).pause();
  t.after(() => response.destroy());
  let last = -1;
  await until('no more lines are taken', async () => {
    if (lines() === last) return true;
    last = lines();
    await systemClock.sleep(200);
    return false;
  });
  const rss = process.memoryUsage().arrayBuffers;
  assert.ok(lines() < 30_000, `${lines()} lines were taken`);
  assert.ok(rss < 100 << 20, `${rss} bytes are held`);
  response.resume();
  await until('it goes on', () => lines() > last);
  response.destroy();
  await until('it is forgotten', async () => (await metric(api, 'fleet_api_journal_streams')) === 0);
});

test('two hundred journals may be followed at once; the next client is told', async (t) => {
  const { api, journal } = await unitThatWrites(t, once);
  const open200: IncomingMessage[] = [];
  t.after(() => {
    for (const response of open200) response.destroy();
  });
  for (let i = 0; i < 200; i++) open200.push((await open(`${journal}?follow=true`)).pause());
  const { status, json } = await ask(`${journal}?follow=true`);
  assert.deepEqual(
    [status, json.error.message],
    [503, '200 journals are being read on this fleetd, which is its limit'],
  );
  assert.equal((await ask(`${api.url}/fleet/v1/units`)).status, 200);
  for (const response of open200) response.destroy();
  await until('all are forgotten', async () => (await metric(api, 'fleet_api_journal_streams')) === 0);
  assert.equal((await open(`${journal}?follow=true`)).destroy().statusCode, 200);
});

test('clients that ask for the past and do not read it get a bounded part of it, and then a refusal', async (t) => {
  const api = await openTestApi({ maxPastEvents: 5000 });
  t.after(() => api.close());
  const first = await SseReader.open(`${api.url}/fleet/v1/events?happened=true`);
  const [ready] = await first.until(({ type }) => type === 'ready');
  const after = 'revision' in ready! ? ready.revision : 0;
  const names = Array.from({ length: 20 }, (_, i) => `${i}.service`);
  for (const name of names) await putUnit(api, name);
  const machine = await joinMachine(api.cluster, SELF);
  const leadership = (await api.cluster.campaign(SELF, machine.lease))!;
  // Events so long that sockets hold few of them.
  const reason = 'r'.repeat(16_000);
  for (let round = 0; round < 30; round++) {
    const put = (unit: string) => ({ put: { unit, hash: 'h1', machine: SELF, desired: 'launched' as const, reason } });
    await leadership.place(names.map(put));
    await leadership.place(names.map((unit) => ({ remove: { unit, machine: SELF } })));
  }
  const past = `${api.url}/fleet/v1/events?happened=true&units=false&after=${after}`;
  // Each has a piece of it in the sockets and the rest waiting; at some number of clients that is too much.
  const deaf: IncomingMessage[] = [];
  t.after(() => {
    for (const response of deaf) response.destroy();
  });
  let refused: number | undefined;
  while (refused === undefined && deaf.length < 60) {
    const response = (await open(past)).pause();
    if (response.statusCode !== 200) refused = response.statusCode;
    deaf.push(response);
  }
  assert.equal(refused, 503, `${deaf.length} clients were taken`);
  for (const response of deaf) response.destroy();
  await until('they are forgotten', async () => (await metric(api, 'fleet_api_event_streams')) === 1);
  // Whoever reads gets it all, in order, and can resume from any piece.
  const reader = await SseReader.open(past);
  const told = await reader.until(({ type }) => type === 'ready');
  const revisions = told.flatMap((event) => (event.type === 'happened' ? [event.revision] : []));
  assert.ok(revisions.length >= 1220, `${revisions.length} events`);
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
  );
  for (const { id } of reader.messages.slice(0, -1))
    assert.equal(id, undefined, 'before it is ready nothing has an id');
  first.close();
  reader.close();
});

test('an event stream ends with its client, also behind a body that nobody asked for', {
  timeout: 25_000,
}, async (t) => {
  const api = await openTestApi();
  t.after(() => api.close());
  // Within less than the 30 s after which the server ends any request that has not arrived.
  const body = Buffer.alloc(2 << 20);
  const head = `GET /fleet/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n`;
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(api.url).port), allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.on('error', () => {}).resume();
  socket.end(Buffer.concat([Buffer.from(head), body]));
  await new Promise((resolve) => void socket.once('close', resolve));
  await until('it is forgotten', async () => (await metric(api, 'fleet_api_event_streams')) === 0);
});
