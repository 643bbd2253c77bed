import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import {
  CompactionRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseTimeToLiveRequest,
  METHODS,
  PutRequest,
  RangeRequest,
  TxnRequest,
  WatchRequest,
} from '../../src/store/proto/index.ts';
import { type ChildStore, startChild } from '../contract/store-child.ts';
import { connectTo } from '../contract/store-servers.ts';
import { fuzz } from './fuzz.ts';
import { GrpcClient, residentMb } from './grpc-client.ts';
import { END_HEADERS, END_STREAM, frame, headers, PREFACE, TYPE } from './http2-frames.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-fuzz-'));
let store: ChildStore;
let honest: ReturnType<typeof connectTo>;
let revision = 0;
let memoryMb = 0;

before(async () => {
  store = await startChild(directory);
  honest = connectTo(store.endpoint);
  revision = await honest.revision();
  memoryMb = residentMb(store.pid);
});
after(async () => {
  await honest.close();
  await store.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** The store lives, serves, counts on, has logged no fault and takes no more memory than its limits allow. */
async function assertWell(): Promise<void> {
  const value = String(revision);
  const written = await honest.commit([], [{ put: 'zz-honest', value }]);
  assert.ok(written.revision > revision, `revision ${revision} was followed by ${written.revision}`);
  revision = written.revision;
  // To delete it is a stranger's right, to change it is not in the strangers' keys.
  const entry = await honest.get('zz-honest');
  assert.ok(entry === undefined || entry.value === value, JSON.stringify(entry));
  assert.doesNotMatch(store.said(), /fault of the store|uncaught|^\s+at /im);
  const grownMb = residentMb(store.pid) - memoryMb;
  assert.ok(grownMb < 500, `grew by ${grownMb} MB`);
}

const key = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'zz', '\0', 'a\0b').map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 1000, max: 2100 }).map((size) => Buffer.alloc(size, 'k')),
);
const number = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(-1, 2 ** 31, -(2 ** 31), 2 ** 53, -(2 ** 53)));
const id = fc.constantFrom(0n, 1n, 2n, -1n, 2n ** 63n, 2n ** 64n - 1n);
const range = fc.record({
  key,
  rangeEnd: key,
  limit: number,
  revision: number,
  sortOrder: number,
  sortTarget: number,
  keysOnly: fc.boolean(),
  countOnly: fc.boolean(),
  minModRevision: number,
  maxCreateRevision: number,
});
const put = fc.record({
  key,
  value: key,
  lease: id,
  prevKv: fc.boolean(),
  ignoreValue: fc.boolean(),
  ignoreLease: fc.boolean(),
});
const deleteRange = fc.record({ key, rangeEnd: key, prevKv: fc.boolean() });
const compare = fc.record({
  result: number,
  target: number,
  key,
  version: number,
  value: key,
  lease: id,
  rangeEnd: key,
});
const simpleOp = fc.oneof(
  range.map((op) => ({ range: op })),
  put.map((op) => ({ put: op })),
  deleteRange.map((op) => ({ deleteRange: op })),
  fc.constant({}),
);
const flat = fc.record({
  compare: fc.array(compare, { maxLength: 3 }),
  success: fc.array(simpleOp, { maxLength: 4 }),
  failure: fc.array(simpleOp, { maxLength: 4 }),
});
const txn = fc.oneof(
  flat,
  flat.map((inner) => ({ success: [{ txn: inner }, { txn: inner }] })),
);
const watch = fc.oneof(
  fc.record({
    create: fc.record({
      key,
      rangeEnd: key,
      startRevision: number,
      filters: fc.array(fc.nat(5), { maxLength: 3 }),
      watchId: number,
      prevKv: fc.boolean(),
      fragment: fc.boolean(),
      progressNotify: fc.boolean(),
    }),
  }),
  fc.record({ cancel: fc.record({ watchId: number }) }),
  fc.constant({ progress: {} }),
  fc.constant({}),
);
const compaction = fc.record({ revision: number, physical: fc.boolean() });
const grant = fc.record({ ttl: number, id });

const call = fc.oneof(
  range.map((request) => [METHODS.range, RangeRequest.encode(request)] as const),
  put.map((request) => [METHODS.put, PutRequest.encode(request)] as const),
  deleteRange.map((request) => [METHODS.deleteRange, DeleteRangeRequest.encode(request)] as const),
  txn.map((request) => [METHODS.txn, TxnRequest.encode(request)] as const),
  compaction.map((request) => [METHODS.compact, CompactionRequest.encode(request)] as const),
  watch.map((request) => [METHODS.watch, WatchRequest.encode(request)] as const),
  grant.map((request) => [METHODS.leaseGrant, LeaseGrantRequest.encode(request)] as const),
  id.map((lease) => [METHODS.leaseKeepAlive, LeaseKeepAliveRequest.encode({ id: lease })] as const),
  id.map((lease) => [METHODS.leaseTimeToLive, LeaseTimeToLiveRequest.encode({ id: lease, keys: true })] as const),
  id.map((lease) => [METHODS.leaseRevoke, LeaseKeepAliveRequest.encode({ id: lease })] as const),
  fc.constantFrom(...Object.values(METHODS)).map((method) => [method, Buffer.alloc(0)] as const),
);

/** Ways to spoil a message: cut off, a byte changed, bytes of another kind put in, a part of it twice. */
const OVERLONG = Buffer.from('ffffffffffffffffffff7f', 'hex');
const spoil = fc.record({
  how: fc.constantFrom('none', 'none', 'cut', 'flip', 'insert', 'overlong', 'repeat'),
  at: fc.nat(200),
  byte: fc.nat(255),
});
function spoilt(message: Buffer, { how, at, byte }: { how: string; at: number; byte: number }): Buffer {
  const place = at % (message.length + 1);
  const [head, tail] = [message.subarray(0, place), message.subarray(place)];
  if (how === 'cut') return head;
  if (how === 'flip') return Buffer.concat([head, Buffer.from([byte]), tail.subarray(1)]);
  if (how === 'insert') return Buffer.concat([head, Buffer.from([byte]), tail]);
  if (how === 'overlong') return Buffer.concat([head, OVERLONG, tail]);
  return how === 'repeat' ? Buffer.concat([message, head, tail]) : message;
}

test('no message, however spoilt, harms the store or others', async () => {
  const attack = fc.array(fc.tuple(call, spoil, fc.boolean()), { minLength: 1, maxLength: 30 });
  await fuzz(
    attack,
    async (calls) => {
      const client = new GrpcClient(store.endpoint);
      const streams = calls.map(([[method, message], how, isReset]) => {
        const stream = client.send(method, spoilt(message, how));
        if (isReset) stream.close(8);
        else stream.resume();
        return stream;
      });
      await client.ping();
      await assertWell();
      for (const stream of streams) stream.destroy();
      client.close();
    },
    { runs: 120, file: import.meta.filename },
  );
});

const streamId = fc.constantFrom(0, 1, 1, 1, 2, 3, 5, 2 ** 31 - 1);
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(headers(METHODS.range), headers(METHODS.watch), headers('/no/such')),
  call.map(([, message]) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
  }),
);
const anyFrame = fc
  .tuple(
    fc.oneof(fc.constantFrom(...Object.values(TYPE)), fc.nat(255)),
    fc.constantFrom(0, END_STREAM, END_HEADERS, 5, 255),
    streamId,
    payload,
  )
  .map(([type, flags, stream, bytes]) => frame(type, flags, stream, bytes));
const flood = fc
  .tuple(
    fc.constantFrom(TYPE.settings, TYPE.ping, TYPE.continuation, TYPE.reset, TYPE.window),
    fc.integer({ min: 100, max: 3000 }),
  )
  .map(([type, times]) => {
    const bytes = { [TYPE.settings]: Buffer.from('000400000000', 'hex'), [TYPE.ping]: Buffer.alloc(8) }[type as number];
    const one = frame(type, 0, type === TYPE.settings || type === TYPE.ping ? 0 : 1, bytes ?? Buffer.alloc(4));
    return Buffer.concat(Array.from({ length: times }, () => one));
  });

test('no sequence of frames harms the store or others', async () => {
  const attack = fc.tuple(
    fc.boolean(),
    fc.array(fc.oneof({ weight: 9, arbitrary: anyFrame }, { weight: 1, arbitrary: flood }), {
      minLength: 1,
      maxLength: 25,
    }),
  );
  await fuzz(
    attack,
    async ([hasPreface, frames]) => {
      const socket = net.connect(store.port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      const begin = hasPreface ? [PREFACE, frame(TYPE.settings, 0, 0)] : [];
      socket.resume();
      socket.write(Buffer.concat([...begin, ...frames]));
      await assertWell();
      socket.destroy();
    },
    { runs: 150, file: import.meta.filename },
  );
});
