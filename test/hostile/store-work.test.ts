import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { EncodableMessage } from '../../src/store/proto/codec.ts';
import {
  DeleteRangeRequest,
  EncodedRangeResponse,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  METHODS,
  PutRequest,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  WatchRequest,
  WatchResponse,
} from '../../src/store/proto/index.ts';
import { startEmbedded, type TestServer } from '../contract/store-servers.ts';
import { GrpcClient } from './grpc-client.ts';

const LIMIT = 10_000;
const TOO_MANY = 'etcdserver: too many operations in txn request';
const KEYS = 40_000;
const key = (prefix: string, i: number) => Buffer.from(`${prefix}${String(i).padStart(6, '0')}`);
const range = (prefix: string, from: number, to: number) => ({ key: key(prefix, from), rangeEnd: key(prefix, to) });

let server: TestServer;
let client: GrpcClient;

before(async () => {
  server = await startEmbedded({ keepChanges: 1_000_000 });
  client = new GrpcClient(server.endpoint);
  await fill('k', KEYS);
});
after(async () => {
  client.close();
  await server.stop();
});

async function txn(request: EncodableMessage<typeof TxnRequest>, by = client) {
  return by.call(METHODS.txn, TxnRequest.encode(request));
}

async function fill(prefix: string, count: number, put: EncodableMessage<typeof PutRequest> = {}): Promise<void> {
  const batches = Array.from({ length: Math.ceil(count / 128) }, (_, batch) => {
    const size = Math.min(128, count - batch * 128);
    return {
      success: Array.from({ length: size }, (__, i) => ({ put: { ...put, key: key(prefix, batch * 128 + i) } })),
    };
  });
  for (const outcome of await Promise.all(batches.map((batch) => txn(batch)))) assert.equal(outcome.status, 0);
}

async function revisionNow(): Promise<number> {
  const response = await client.call(METHODS.range, RangeRequest.encode({ key: Buffer.from('k') }));
  return RangeResponse.decode(response.body).header!.revision;
}

async function count(prefix: string): Promise<number> {
  const request = RangeRequest.encode({ ...range(prefix, 0, 999_999), countOnly: true });
  return RangeResponse.decode((await client.call(METHODS.range, request)).body).count;
}

test('a message with too many levels is refused for that, not by the end of the stack', async () => {
  for (const levels of [1200, 50_000]) {
    let message = Buffer.alloc(0);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (let level = 0; level < levels; level++) {
      // A transaction with one operation, which is a transaction; the lengths grow outwards.
      const head = level % 2 === 0 ? 0x22 : 0x12;
      const size: number[] = [];
      let rest = bytes;
      for (; rest >= 0x80; rest = rest >> 7) size.push((rest & 0x7f) | 0x80);
      const prefix = Buffer.from([head, ...size, rest]);
      chunks.push(prefix);
      bytes += prefix.length;
    }
    message = Buffer.concat(chunks.reverse());
    const { status, sentence } = await client.call(METHODS.txn, message);
    assert.deepEqual([status, sentence], [3, 'the request cannot be read: the message has more than 1000 levels']);
  }
});

test('a deletion of more keys than one revision may hold is refused and deletes nothing', async () => {
  await fill('d', LIMIT + 1);
  const remove = (to: number) => DeleteRangeRequest.encode(range('d', 0, to));
  const refused = await client.call(METHODS.deleteRange, remove(LIMIT + 1));
  assert.deepEqual([refused.status, refused.sentence], [3, TOO_MANY]);
  const inTxn = await txn({ success: [{ put: { key: Buffer.from('x') } }, { deleteRange: range('d', 0, LIMIT + 1) }] });
  assert.deepEqual([inTxn.status, inTxn.sentence], [3, TOO_MANY]);
  assert.equal(await count('d'), LIMIT + 1);
  assert.equal((await client.call(METHODS.deleteRange, remove(LIMIT))).status, 0);
  assert.equal(await count('d'), 1);
});

test('a transaction reads and compares a limited number of keys, and its response has a limited size', async () => {
  const compare = (to: number) => ({ result: 3, target: 0, version: 7, ...range('k', 0, to) });
  assert.equal((await txn({ compare: [compare(LIMIT)] })).status, 0);
  for (const request of [
    { compare: [compare(LIMIT + 1)] },
    { compare: [compare(LIMIT / 2), compare(LIMIT / 2 + 1)] },
    { success: [{ range: range('k', 0, LIMIT + 1) }] },
    { success: [{ put: { key: Buffer.from('x') } }, { range: range('k', 0, LIMIT + 1) }] },
    { success: Array.from({ length: 128 }, () => ({ range: { ...range('k', 0, KEYS), limit: 1 } })) },
  ]) {
    const { status, sentence } = await txn(request);
    assert.deepEqual([status, sentence], [3, TOO_MANY]);
  }
  const value = Buffer.alloc(1 << 20);
  assert.equal((await client.call(METHODS.put, PutRequest.encode({ key: Buffer.from('large'), value }))).status, 0);
  const large = Array.from({ length: 40 }, () => ({ range: { key: Buffer.from('large') } }));
  for (const success of [large, [{ put: { key: Buffer.from('x') } }, ...large]]) {
    const { status, sentence } = await txn({ success });
    assert.equal(status, 8);
    assert.match(sentence, /^trying to send message larger than max .* read fewer keys at a time$/);
  }
  let nested: EncodableMessage<typeof TxnRequest> = { success: [{ range: { key: Buffer.from('large') } }] };
  for (let depth = 0; depth < 100; depth++) nested = { success: [{ txn: nested }] };
  assert.equal((await txn(nested)).status, 8);
});

test('a transaction that fails takes nobody else’s with it', async () => {
  const other = new GrpcClient(server.endpoint);
  await other.ping();
  const bad = (how: object) => ({
    success: [{ put: { key: Buffer.from('x') } }, { range: { ...range('k', 0, 5), sortTarget: 9, ...how } }],
  });
  const [failed, counted, ...good] = await Promise.all([
    txn(bad({})),
    txn(bad({ countOnly: true })),
    ...Array.from({ length: 20 }, (_, i) =>
      txn({ success: [{ put: { key: key('good', i) } }] }, i % 2 ? other : client),
    ),
  ]);
  for (const { status, sentence } of [failed, counted])
    assert.deepEqual([status, sentence], [3, 'etcdserver: invalid sort option']);
  assert.deepEqual(new Set(good.map(({ status }) => status)), new Set([0]));
  other.close();
});

test('others are served while a large range is read', async () => {
  const other = new GrpcClient(server.endpoint);
  await other.ping();
  const past = await revisionNow();
  await txn({ success: [{ put: { key: key('k', 1) } }] });
  // Only counted, so that the response takes no time: what is served meanwhile is served while the range is read.
  for (const how of [{ sortOrder: 2 }, { minModRevision: 1 }, { revision: past }]) {
    let isRead = false;
    const request = RangeRequest.encode({ ...range('k', 0, KEYS), ...how, countOnly: true });
    const reading = client.call(METHODS.range, request).finally(() => {
      isRead = true;
    });
    let served = 0;
    for (; !isRead; served++) await other.call(METHODS.range, RangeRequest.encode({ key: key('k', 1) }));
    assert.equal(RangeResponse.decode((await reading).body).count, KEYS);
    assert.ok(served > 5, `${JSON.stringify(how)}: ${served} served`);
  }
  other.close();
});

test('a large range is of one revision, whatever is written while it is read', async () => {
  const other = new GrpcClient(server.endpoint);
  await other.ping();
  const past = await revisionNow();
  for (const how of [{}, { keysOnly: true }, { sortOrder: 2 }, { minModRevision: 1 }, { revision: past }]) {
    let isRead = false;
    const request = RangeRequest.encode({ ...range('k', 0, KEYS), ...how });
    const reading = client.call(METHODS.range, request).finally(() => {
      isRead = true;
    });
    // The last key is read last.
    const put = PutRequest.encode({ key: key('k', KEYS - 1), value: Buffer.from(JSON.stringify(how)) });
    while (!isRead) assert.equal((await other.call(METHODS.put, put)).status, 0);
    const response = EncodedRangeResponse.decode((await reading).body);
    const kvs = RangeResponse.decode(EncodedRangeResponse.encode(response)).kvs;
    assert.equal(response.count, KEYS);
    assert.ok(kvs.every(({ modRevision }) => modRevision <= response.header!.revision));
    const order = kvs.map((kv) => String(kv.key));
    assert.deepEqual(how.sortOrder === 2 ? order.toReversed() : order, order.toSorted());
  }
  other.close();
});

test('a range is sorted by anything but its keys only when it is small', async () => {
  const sort = { sortTarget: 1, sortOrder: 2 };
  const read = (to: number) => client.call(METHODS.range, RangeRequest.encode({ ...range('k', 0, to), ...sort }));
  assert.equal((await read(LIMIT)).status, 0);
  const { status, sentence } = await read(LIMIT + 1);
  assert.equal(status, 8);
  assert.match(sentence, /^the range has more than 10000 keys to sort/);
});

test('the end of a lease removes all of its keys, however many', async () => {
  const id = 77n;
  assert.equal((await client.call(METHODS.leaseGrant, LeaseGrantRequest.encode({ id, ttl: 600 }))).status, 0);
  await fill('l', LIMIT + 200, { lease: id });
  const before = await revisionNow();
  assert.equal((await client.call(METHODS.leaseRevoke, LeaseRevokeRequest.encode({ id }))).status, 0);
  assert.equal(await count('l'), 0);
  assert.equal((await revisionNow()) - before, 2, 'no revision deletes more than one request may');
  assert.equal((await client.call(METHODS.leaseRevoke, LeaseRevokeRequest.encode({ id }))).status, 5);
});

test('a stream has a limited number of watches; those are told of everything, and meanwhile others are served', {
  timeout: 60_000,
}, async () => {
  const watching = new GrpcClient(server.endpoint);
  const stream = watching.messages(METHODS.watch);
  const told: WatchResponse[] = [];
  let hear = () => {};
  stream.onMessage((message) => {
    told.push(WatchResponse.decode(message));
    hear();
  });
  const heard = (enough: () => boolean) =>
    new Promise<void>((resolve) => {
      hear = () => enough() && resolve();
      hear();
    });
  for (let i = 0; i < 5; i++) assert.equal((await txn({ success: [{ put: { key: key('k', 1) } }] })).status, 0);
  const create = { ...range('k', 0, 3), startRevision: (await revisionNow()) - 4 };
  for (let i = 0; i < 1001; i++) stream.send(WatchRequest.encode({ create }));
  const put = PutRequest.encode({ key: key('k', 1), value: Buffer.from('last') });
  const last = RangeResponse.decode((await client.call(METHODS.put, put)).body).header!.revision;
  await heard(() => told.some(({ canceled }) => canceled));
  const refused = told.find(({ canceled }) => canceled)!;
  assert.match(refused.cancelReason, /^the stream has 1000 watches, no more fit/);
  const upTo = new Map<number, number>();
  let from = 0;
  const all = heard(() => {
    for (const { watchId, events } of told.slice(from)) {
      const revisions = events.map(({ kv }) => kv!.modRevision);
      assert.ok(
        revisions.every((revision) => revision >= (upTo.get(watchId) ?? 0)),
        'in order',
      );
      if (revisions.length > 0) upTo.set(watchId, revisions.at(-1)!);
    }
    from = told.length;
    return upTo.size === 1000 && [...upTo.values()].every((revision) => revision >= last);
  });
  let areFed = false;
  void all.then(() => {
    areFed = true;
  });
  let served = 0;
  for (; !areFed; served++) await client.call(METHODS.range, RangeRequest.encode({ key: key('k', 1) }));
  assert.ok(served > 100, `${served} served`);
  watching.close();
});
