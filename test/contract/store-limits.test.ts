import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock as clock, createLog, systemRandom as random } from '../../src/lib/index.ts';
import { type EmbeddedStoreOptions, startEmbeddedStore } from '../../src/store/embedded/index.ts';
import { prefixRange, type WatchBatch } from '../../src/store/index.ts';
import { METHODS } from '../../src/store/proto/index.ts';
import { startChild } from './store-child.ts';
import { connectTo, eventually, Relay, startEmbedded } from './store-servers.ts';

/** How long something may take on a busy machine. */
const WAIT_MS = 20_000;

/** Resident memory of a process in MB. */
function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

test('entries that are too large for one response of the store are listed in several', async (t) => {
  const server = await startEmbedded();
  const store = connectTo(server.endpoint);
  t.after(async () => {
    await store.close();
    await server.stop();
  });
  const count = 45;
  for (let i = 0; i < count; i++) await store.commit([], [{ put: `large/${i}`, value: 'x'.repeat(900_000) }]);
  const { entries, more } = await store.list(prefixRange('large/'));
  assert.deepEqual([entries.length, more], [count, false]);
  const page = await store.list(prefixRange('large/'), { limit: count });
  assert.ok(page.more && page.entries.length > 0 && page.entries.length < count, `${page.entries.length} entries`);
  const keys = Array.from({ length: count + 1 }, (_, i) => `large/${i}`);
  const found = await store.getMany(keys);
  assert.deepEqual(
    found.map(({ key }) => key),
    keys.slice(0, count),
  );
});

test('history is forgotten by itself, by number of changes and by size, and the file stays small', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-limits-'));
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const limits = { keepChanges: 400, keepBytes: 2 << 20 };
  const embedded = await startEmbeddedStore({ directory, host: '127.0.0.1', port: 0, clock, random, log, ...limits });
  const store = connectTo(embedded.endpoint);
  t.after(async () => {
    await store.close();
    await embedded.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const first = (await store.commit([], [{ put: 'kept/unchanged', value: 'old' }])).revision;
  for (let i = 0; i < 1200; i++) await store.commit([], [{ put: `small/${i % 10}`, value: String(i) }]);
  const { revision } = await store.commit([], [{ delete: 'small/0' }]);
  await assert.rejects(store.list(prefixRange('small/'), { revision: revision - 700 }), { code: 'compacted' });
  assert.equal((await store.list(prefixRange('small/'), { revision: revision - 300 })).entries.length, 10);
  for (let i = 0; i < 200; i++) await store.commit([], [{ put: `big/${i % 3}`, value: 'x'.repeat(100_000) }]);
  const sizeMb = statSync(path.join(directory, 'data.mdb')).size / (1 << 20);
  assert.ok(sizeMb < 16, `the file has ${sizeMb} MB after 20 MB of puts`);
  const { entries } = await store.list({ from: ' ', to: '~' });
  assert.equal(entries.length, 1 + 9 + 3);
  assert.deepEqual(entries.find(({ key }) => key === 'kept/unchanged')?.modRevision, first);
  assert.ok(lines.some((line) => line.includes('Store compacted')));
  assert.deepEqual(
    lines.filter((line) => /ERROR|WARN/.test(line)),
    [],
  );
});

test('a watcher that does not read costs no memory, and misses nothing', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-slow-'));
  const child = await startChild(directory);
  const relay = await Relay.to(child.port);
  const store = connectTo(child.endpoint);
  const slow = Array.from({ length: 5 }, () => connectTo(relay.endpoint));
  t.after(async () => {
    await Promise.all([store, ...slow].map((each) => each.close()));
    await relay.stop();
    await child.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  const after = await store.revision();
  const told: WatchBatch[][] = slow.map(() => []);
  const watches = slow.map((each, at) => collect(each.watch(prefixRange('slow/'), after, t.signal), told[at]!));
  await store.commit([], [{ put: 'slow/first', value: '' }]);
  await eventually(() => assert.ok(told.every((batches) => batches.length === 1)));
  const beforeMb = residentMb(child.pid);
  relay.silence();
  const total = 150;
  for (let i = 0; i < total; i++) await store.commit([], [{ put: 'slow/k', value: 'x'.repeat(200_000) }]);
  const grownMb = residentMb(child.pid) - beforeMb;
  // Five watchers were sent 30 MB each; the mapped data file counts as memory too.
  assert.ok(grownMb < 100, `the store grew by ${grownMb} MB`);
  relay.speak();
  await eventually(() => {
    for (const batches of told) assert.equal(batches.flatMap(({ events }) => events).length, total + 1);
  });
  void watches;
});

/** A server and a client of it, to be stopped after the test, also when it fails. */
async function startPair(options: Partial<EmbeddedStoreOptions> = {}) {
  const server = await startEmbedded(options);
  const store = connectTo(server.endpoint);
  const stop = async () => {
    await store.close();
    await server.stop();
  };
  return { server, store, stop };
}

async function collect(watch: AsyncIterable<WatchBatch>, batches: WatchBatch[]): Promise<void> {
  for await (const batch of watch) batches.push(batch);
}

test('many leases end on time while others have long to live', async (t) => {
  const { server, store, stop } = await startPair();
  const holder = connectTo(server.endpoint);
  t.after(async () => {
    await holder.close();
    await stop();
  });
  const after = await store.revision();
  await store.grantLease(WAIT_MS * 3);
  const leases = await Promise.all(Array.from({ length: 200 }, () => holder.lease(2000)));
  await store.grantLease(WAIT_MS * 3);
  const keys = new Map(leases.map((lease, i) => [`many/${i}`, lease]));
  await Promise.all(Array.from(keys, ([put, { id }]) => holder.commit([], [{ put, value: '', lease: id }])));
  await holder.close();
  for await (const { events } of store.watch(prefixRange('many/'), after, AbortSignal.timeout(WAIT_MS))) {
    for (const event of events) {
      if (event.type !== 'delete') continue;
      const { key } = event;
      assert.ok(clock.monotonic() >= keys.get(key)!.deadline(), `${key} was gone before its holder could know`);
      keys.delete(key);
    }
    if (keys.size === 0) break;
  }
  assert.deepEqual([...keys.keys()], [], 'these waited for another lease');
});

test('an idle watch hears how far the store has got without asking', async (t) => {
  const { store, stop } = await startPair({ progressIntervalMs: 50 });
  t.after(stop);
  const batches: WatchBatch[] = [];
  const watching = collect(store.watch(prefixRange('idle/'), await store.revision(), t.signal), batches);
  const { revision } = await eventually(() => store.commit([], [{ put: 'elsewhere', value: '' }]));
  await eventually(() => assert.ok((batches.at(-1)?.revision ?? 0) >= revision));
  await store.close();
  await watching;
});

test('requests that make no sense are answered with an error and do no harm', async (t) => {
  const { server, store, stop } = await startPair({ maxRequestBytes: 10_000 });
  t.after(stop);
  const frame = (bytes: Buffer, flag = 0) => Buffer.concat([Buffer.from([flag, 0, 0, 0, bytes.length]), bytes]);
  const send = (call: string, body: Buffer) => callRaw(server.endpoint, call, body);
  assert.equal(await send('/etcdserverpb.KV/Nothing', frame(Buffer.from('x'))), '12');
  assert.equal(await send(METHODS.put, frame(Buffer.from([0xff, 0xff, 0xff]))), '3');
  assert.equal(await send(METHODS.put, frame(Buffer.from([0x0a, 0x7f, 0x01]))), '3');
  assert.equal(await send(METHODS.put, Buffer.alloc(0)), '3');
  assert.equal(await send(METHODS.put, Buffer.from([0, 0, 0, 0, 9, 1])), '3');
  assert.equal(await send(METHODS.put, frame(Buffer.from([0x0a, 0x01, 0x61]), 1)), '12');
  assert.equal(await send(METHODS.put, Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1])), '8');
  assert.equal(await send(METHODS.watch, frame(Buffer.from([0xff]))), '3');
  assert.equal(await send(METHODS.watch, frame(Buffer.alloc(0))), '3');
  await assert.rejects(store.commit([], [{ put: 'k'.repeat(1025), value: '' }]), {
    code: 'invalid',
    message: /too long/,
  });
  await assert.rejects(store.commit([], [{ put: '\0'.repeat(1000), value: '' }]), { code: 'invalid' });
  await assert.rejects(store.get('k'.repeat(1025)), { code: 'invalid' });
  await assert.rejects(store.commit([], [{ put: 'big', value: 'x'.repeat(10_000) }]), { code: 'too-large' });
  assert.equal((await store.commit([], [{ put: 'k'.repeat(1024), value: 'fine' }])).ok, true);
});

/** Sends a body as it is; answers the gRPC status. */
function callRaw(endpoint: string, call: string, body: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(endpoint);
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': call, 'content-type': 'application/grpc' });
    const note = (headers: Record<string, unknown>) => {
      if (headers['grpc-status'] !== undefined) resolve(String(headers['grpc-status']));
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('error', reject);
    stream.on('close', () => session.destroy());
    stream.resume();
    stream.end(body);
  });
}
