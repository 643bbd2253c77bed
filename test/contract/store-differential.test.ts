import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock as clock, systemRandom as random, silentLog } from '../../src/lib/index.ts';
import { EtcdClient } from '../../src/store/etcd-client.ts';
import type { WatchEvent } from '../../src/store/index.ts';
import {
  DeleteRangeRequest,
  METHODS,
  PutRequest,
  RangeRequest,
  RangeResponse,
  TxnRequest,
} from '../../src/store/proto/index.ts';
import { connectTo, hasProgram, startEmbedded, startEtcd } from './store-servers.ts';

/** Numbers from a seed (mulberry32), so that a failure can be repeated. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const KEYS = ['a', 'a\0', 'a/b', 'a/b/c', 'ab', 'b', 'ä', '\xff', '\0', '\0\0'].map((key) => Buffer.from(key));
const ENDS = [...KEYS, Buffer.from('c'), Buffer.from('\0')];
const NONE = Buffer.alloc(0);

/** Requests at random, of the kinds and shapes that etcd distinguishes. */
class Requests {
  readonly #pick: (below: number) => number;

  constructor(seed: number) {
    this.#pick = numbers(seed);
  }

  next(revision: number): { path: string; message: Buffer } {
    const kind = this.#pick(10);
    if (kind < 3) return { path: METHODS.put, message: PutRequest.encode(this.#put()) };
    if (kind < 4) return { path: METHODS.deleteRange, message: DeleteRangeRequest.encode(this.#deletion()) };
    if (kind < 7) return { path: METHODS.range, message: RangeRequest.encode(this.#range(revision)) };
    return { path: METHODS.txn, message: TxnRequest.encode(this.#txn(revision, 0)) };
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#pick(of.length)]!;
  }

  #sometimes<T>(value: T, otherwise: T): T {
    return this.#pick(4) === 0 ? value : otherwise;
  }

  #put() {
    const ignoreValue = this.#sometimes(true, false);
    const value = ignoreValue && this.#pick(5) > 0 ? NONE : Buffer.from(`v${this.#pick(5)}`);
    return {
      key: this.#one(KEYS),
      value,
      prevKv: this.#sometimes(true, false),
      ignoreValue,
      ignoreLease: this.#pick(6) === 0,
    };
  }

  #deletion() {
    return {
      key: this.#one(KEYS),
      rangeEnd: this.#sometimes(this.#one(ENDS), NONE),
      prevKv: this.#sometimes(true, false),
    };
  }

  #range(revision: number) {
    const past = () => this.#pick(revision + 2);
    return {
      key: this.#one(KEYS),
      rangeEnd: this.#pick(4) > 0 ? this.#one(ENDS) : NONE,
      limit: this.#sometimes(this.#pick(4), 0),
      revision: this.#sometimes(past(), 0),
      sortOrder: this.#sometimes(this.#pick(3), 0),
      keysOnly: this.#sometimes(true, false),
      countOnly: this.#sometimes(true, false),
      minModRevision: this.#sometimes(past(), 0),
      maxModRevision: this.#sometimes(past(), 0),
      minCreateRevision: this.#sometimes(past(), 0),
      maxCreateRevision: this.#sometimes(past(), 0),
    };
  }

  #compare(revision: number) {
    const number = this.#sometimes(0, this.#pick(revision + 1));
    return {
      key: this.#one(KEYS),
      rangeEnd: this.#sometimes(this.#one(ENDS), NONE),
      result: this.#pick(4),
      ...this.#one([
        { target: 0, version: this.#pick(4) },
        { target: 1, createRevision: number },
        { target: 2, modRevision: number },
        { target: 3, value: Buffer.from(`v${this.#pick(5)}`) },
        { target: 4, lease: 0n },
      ]),
    };
  }

  #txn(revision: number, depth: number): Parameters<typeof TxnRequest.encode>[0] {
    const branch = () => Array.from({ length: this.#pick(4) }, () => this.#op(revision, depth));
    const compare = Array.from({ length: this.#pick(3) }, () => this.#compare(revision));
    return { compare, success: branch(), failure: branch() };
  }

  #op(revision: number, depth: number) {
    const kind = this.#pick(depth < 2 ? 10 : 9);
    // etcd lets some keys be put and deleted in one transaction; the embedded store does not.
    const put = { ...this.#put(), ignoreValue: false, ignoreLease: false };
    if (depth > 0 && kind < 5) return { put: { ...put, key: Buffer.from(`inner${this.#pick(20)}`) } };
    if (kind < 3) return { put };
    if (kind < 5)
      return { deleteRange: { ...this.#deletion(), rangeEnd: this.#sometimes(this.#one(KEYS.slice(0, 7)), NONE) } };
    // A past revision in a transaction that writes is judged before or after its writes, by version of etcd.
    if (kind < 9) return { range: { ...this.#range(revision), revision: 0 } };
    return { txn: this.#txn(revision, depth + 1) };
  }
}

/** Answers byte by byte, but for the header's ids, or the message of the refusal. */
async function ask(client: EtcdClient, path: string, message: Buffer): Promise<string> {
  const call = {
    path,
    request: { encode: () => message },
    response: { decode: (bytes: Uint8Array) => bytes },
    repeatable: false,
  };
  try {
    return withoutIds(await client.call(call, undefined));
  } catch (error) {
    return (error as Error).message;
  }
}

/** The answer in hex behind its revision, without the header that names the cluster. */
function withoutIds(bytes: Uint8Array): string {
  const { header } = RangeResponse.decode(onlyHeader(bytes));
  return `${header?.revision}:${Buffer.from(bytes.subarray(2 + bytes[1]!)).toString('hex')}`;
}

function onlyHeader(bytes: Uint8Array): Uint8Array {
  assert.equal(bytes[0], 0x0a);
  return bytes.subarray(0, 2 + bytes[1]!);
}

test('the embedded store answers random requests as etcd does', {
  skip: hasProgram('etcd') ? false : 'etcd is not installed (apt install etcd-server)',
}, async (t) => {
  const servers = [await startEmbedded(), await startEtcd()];
  const clients = servers.map(
    ({ endpoint }) => new EtcdClient({ endpoints: [endpoint], clock, random, log: silentLog }),
  );
  t.after(async () => {
    for (const client of clients) client.close();
    for (const server of servers) await server.stop();
  });
  const seed = Math.floor(random.float() * 1e9);
  const requests = new Requests(seed);
  let revision = 1;
  for (let count = 0; count < 1500; count++) {
    const { path, message } = requests.next(revision);
    const [ours, theirs] = await Promise.all(clients.map((client) => ask(client, path, message)));
    assert.equal(ours, theirs, `seed ${seed}, request ${count}: ${path} ${message.toString('hex')}`);
    revision = Number(/^(\d+):/.exec(ours!)?.[1] ?? revision);
  }
  const [ours, theirs] = await Promise.all(servers.map(({ endpoint }) => history(endpoint)));
  assert.deepEqual(ours, theirs, `seed ${seed}`);
});

/** All that ever happened, as a watch from the first revision on tells it. */
async function history(endpoint: string): Promise<readonly WatchEvent[]> {
  const store = connectTo(endpoint);
  const last = await store.commit([], [{ put: 'the end', value: '' }]);
  const events: WatchEvent[] = [];
  for await (const batch of store.watch({ from: '\0', to: '\u{10ffff}' }, 1, AbortSignal.timeout(20_000))) {
    events.push(...batch.events);
    if (batch.revision >= last.revision) break;
  }
  await store.close();
  return events;
}
