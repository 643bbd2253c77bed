import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../lib/index.ts';
import { openTestStore } from '../services/test-services.ts';
import { type Kv, type KvOperation, openKv } from './index.ts';

const { store, signal } = await openTestStore();
let prefixes = 0;
const fresh = (): Kv => openKv({ store, prefix: `/kv-test${++prefixes}/`, clock, random, log, signal });
const at = (kv: Kv) => async (key: string) => (await kv.get(key)).pair;
const base64 = (text: string) => Buffer.from(text).toString('base64');
const SESSION = { name: '', machine: 'm', checks: [], behavior: 'release', lockDelayMs: 0, ttlMs: 0 } as const;
const set = (key: string, value = 'x'): KvOperation => ({ verb: 'set', key, value: base64(value), flags: 0n });
const lock = (key: string, session: string, value = 'x'): KvOperation =>
  ({ ...(set(key, value) as object), verb: 'lock', session }) as KvOperation;

/** A model that states Consul's rules independently: operations on plain objects, with one version per write. */
interface ModelPair {
  value: string;
  flags: bigint;
  session: string | undefined;
  lockIndex: number;
  /** The number of the write that last changed the pair. */
  version: number;
}

/** The model's two indexes: the pair is unchanged since it was read, or it has changed. */
const CURRENT = 1;
const STALE = -1;

class Model {
  pairs = new Map<string, ModelPair>();
  readonly sessions = new Set<string>();
  #version = 0;

  /** Returns true when the transaction was applied; a failed one changes nothing. */
  run(operations: readonly KvOperation[]): boolean {
    const before = structuredClone(this.pairs);
    const done = operations.map((operation) => this.#step(operation, before)).every(Boolean);
    if (!done) this.pairs = before;
    return done;
  }

  endSession(id: string, behavior: string): void {
    this.sessions.delete(id);
    for (const [key, pair] of [...this.pairs]) {
      if (pair.session !== id) continue;
      if (behavior === 'delete') this.pairs.delete(key);
      else this.pairs.set(key, { ...pair, session: undefined, version: ++this.#version });
    }
  }

  #step(operation: KvOperation, before: ReadonlyMap<string, ModelPair>): boolean {
    const { key, verb } = operation;
    const pair = this.pairs.get(key);
    const write = (session: string | undefined, lockIndex: number): boolean => {
      if (!('value' in operation)) return false;
      const { value, flags } = operation;
      const same =
        pair &&
        pair.value === value &&
        pair.flags === flags &&
        pair.session === session &&
        pair.lockIndex === lockIndex;
      if (!same) this.pairs.set(key, { value, flags, session, lockIndex, version: ++this.#version });
      return true;
    };
    const asRead = pair !== undefined && pair.version === before.get(key)?.version;
    const current = (index: number) => (index === 0 ? !pair : index === CURRENT && asRead);
    switch (verb) {
      case 'set':
        return write(pair?.session, pair?.lockIndex ?? 0);
      case 'cas':
        return current(operation.index) && write(pair?.session, pair?.lockIndex ?? 0);
      case 'lock': {
        if (!this.sessions.has(operation.session)) return false;
        if (pair?.session === operation.session) return write(operation.session, pair.lockIndex);
        return pair?.session === undefined && write(operation.session, (pair?.lockIndex ?? 0) + 1);
      }
      case 'unlock':
        return pair !== undefined && pair.session === operation.session && write(undefined, pair.lockIndex);
      case 'get':
        return pair !== undefined;
      case 'check-not-exists':
        return pair === undefined;
      case 'delete':
        this.pairs.delete(key);
        return true;
      case 'delete-tree':
        for (const other of [...this.pairs.keys()]) if (other.startsWith(key)) this.pairs.delete(other);
        return true;
      default:
        return verb === 'get-tree';
    }
  }
}

const KEYS = ['a', 'a/', 'a/b', 'b', 'ü/x', 'a//c'];
const key = fc.constantFrom(...KEYS);
const value = fc.constantFrom('', 'x', 'y', '\0\xff').map(base64);
const flags = fc.constantFrom(0n, 7n, 2n ** 64n - 1n);
const valued = { key, value, flags };
const session = fc.constantFrom(0, 1, 2);
const step = fc.oneof(
  fc.record({ verb: fc.constant('set' as const), ...valued }),
  fc.record({ verb: fc.constant('cas' as const), ...valued, current: fc.boolean() }),
  fc.record({ verb: fc.constantFrom('lock' as const, 'unlock' as const), ...valued, session }),
  fc.record({
    verb: fc.constantFrom(
      'get' as const,
      'check-not-exists' as const,
      'delete' as const,
      'get-tree' as const,
      'delete-tree' as const,
    ),
    key,
  }),
  fc.record({ verb: fc.constant('end-session' as const), session }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

test("sequences of transactions end as Consul's rules say", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
      async (transactions) => {
        const kv = fresh();
        const model = new Model();
        const behaviors = ['release', 'delete', 'release'] as const;
        const sessions = await Promise.all(behaviors.map((behavior) => kv.sessions.create({ ...SESSION, behavior })));
        for (const id of sessions) model.sessions.add(id);
        /** The operation for the store, and its counterpart for the model, which has no indexes. */
        const bothOf = async (one: Exclude<Step, { verb: 'end-session' }>): Promise<[KvOperation, KvOperation]> => {
          if ('session' in one) {
            const named = { ...one, session: sessions[one.session]! } as KvOperation;
            return [named, named];
          }
          if (!('current' in one)) return [one as KvOperation, one as KvOperation];
          const { current, ...rest } = one;
          const index = (await at(kv)(one.key))?.modifyIndex ?? 0;
          if (!current)
            return [
              { ...rest, index: index + 1000 },
              { ...rest, index: STALE },
            ];
          return [
            { ...rest, index },
            { ...rest, index: index === 0 ? 0 : CURRENT },
          ];
        };
        for (const transaction of transactions) {
          const ending = transaction.find((one) => one.verb === 'end-session');
          if (ending?.verb === 'end-session') {
            await kv.sessions.destroy(sessions[ending.session]!);
            model.endSession(sessions[ending.session]!, behaviors[ending.session]!);
          }
          const steps = transaction.filter((one) => one.verb !== 'end-session');
          const both = await Promise.all(steps.map((one) => bothOf(one)));
          if (both.length === 0) continue;
          const operations = both.map(([real]) => real);
          const expected = model.run(both.map(([, modelled]) => modelled));
          const outcome = await kv.transact(operations);
          assert.equal(
            outcome.ok,
            expected,
            JSON.stringify(operations, (_, v) => (typeof v === 'bigint' ? String(v) : v)),
          );
          await compare(kv, model);
        }
      },
    ),
    { numRuns: 60 },
  );
});

async function compare(kv: Kv, model: Model): Promise<void> {
  const { pairs } = await kv.list('');
  const shown = pairs.map(({ key: name, value: text, flags: bits, session: holder, lockIndex }) => [
    name,
    text,
    bits,
    holder,
    lockIndex,
  ]);
  const expected = [...model.pairs]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, pair]) => [name, pair.value, pair.flags, pair.session, pair.lockIndex]);
  assert.deepEqual(shown, expected);
}

test('a transaction is done as a whole or not at all, and says which operations failed', async () => {
  const kv = fresh();
  await kv.transact([set('there')]);
  const outcome = await kv.transact([
    set('new'),
    { verb: 'get', key: 'missing' },
    { verb: 'check-not-exists', key: 'there' },
  ]);
  assert.ok(!outcome.ok);
  assert.deepEqual(outcome.failures, [
    { operation: 1, kind: 'refused', message: 'key "missing" doesn\'t exist' },
    { operation: 2, kind: 'refused', message: 'key "there" exists' },
  ]);
  assert.equal(await at(kv)('new'), undefined);
});

test('indexes are revisions: of the commit that made a pair, and of the last that changed it', async () => {
  const kv = fresh();
  const first = await kv.transact([set('k'), set('other')]);
  assert.ok(first.ok);
  const [made, beside] = first.pairs;
  assert.equal(made!.createIndex, made!.modifyIndex);
  assert.equal(beside!.modifyIndex, made!.modifyIndex);
  await kv.transact([set('k', 'new')]);
  const changed = await at(kv)('k');
  assert.equal(changed!.createIndex, made!.createIndex);
  assert.ok(changed!.modifyIndex > made!.modifyIndex);
  await kv.transact([set('k', 'new')]);
  assert.equal((await at(kv)('k'))!.modifyIndex, changed!.modifyIndex, 'the same value again is no change');
});

test('of many who increase one number by cas every one counts once', async () => {
  const kv = fresh();
  await kv.transact([set('n', '0')]);
  const increase = async () => {
    for (;;) {
      const pair = (await at(kv)('n'))!;
      const next = String(Number(Buffer.from(pair.value, 'base64').toString()) + 1);
      const outcome = await kv.transact([
        { verb: 'cas', key: 'n', value: base64(next), flags: 0n, index: pair.modifyIndex },
      ]);
      if (outcome.ok) return;
    }
  };
  await Promise.all(Array.from({ length: 20 }, increase));
  assert.equal(Buffer.from((await at(kv)('n'))!.value, 'base64').toString(), '20');
});

test('of many who want one lock one gets it', async () => {
  const kv = fresh();
  const sessions = await Promise.all(Array.from({ length: 10 }, () => kv.sessions.create(SESSION)));
  const outcomes = await Promise.all(sessions.map((id) => kv.transact([lock('lock', id, id)])));
  assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
  const pair = (await at(kv)('lock'))!;
  assert.equal(outcomes[sessions.indexOf(pair.session!)]!.ok, true);
});

test('what a session held is given up when its time is over, and rests for the lock delay', async () => {
  const kv = fresh();
  const held = await kv.sessions.create({ ...SESSION, ttlMs: 1000, lockDelayMs: 2000 });
  const waiting = await kv.sessions.create(SESSION);
  assert.ok((await kv.transact([lock('l', held)])).ok);
  const deadline = clock.monotonic() + 20_000;
  while ((await kv.sessions.get(held)).session) {
    assert.ok(clock.monotonic() < deadline, 'the session does not end');
    await clock.sleep(50);
  }
  assert.equal((await kv.transact([lock('l', waiting)])).ok, false, 'until somebody sweeps it is held');
  await kv.sessions.sweep(async () => () => true);
  assert.equal((await at(kv)('l'))!.session, undefined);
  assert.equal((await kv.transact([lock('l', waiting)])).ok, false, 'the lock delay');
  while (!(await kv.transact([lock('l', waiting)])).ok) {
    assert.ok(clock.monotonic() < deadline, 'the lock delay does not end');
    await clock.sleep(50);
  }
  assert.equal((await at(kv)('l'))!.lockIndex, 2);
});

test('a session that is renewed lives on', async () => {
  const kv = fresh();
  const id = await kv.sessions.create({ ...SESSION, ttlMs: 2000 });
  for (let round = 0; round < 40; round++) {
    await clock.sleep(100);
    assert.ok(await kv.sessions.renew(id));
  }
  await kv.sessions.destroy(id);
  assert.equal(await kv.sessions.renew(id), undefined);
});

test('who waits hears of changes in its area, deletions included, and of nothing else', async () => {
  const kv = fresh();
  await kv.transact([set('a/1'), set('b')]);
  const after = await kv.changes.lastChange({ prefix: 'a/' });
  const ending = new AbortController();
  let woken = 0;
  const waiting = [{ prefix: 'a/' }, { key: 'a/1' }].map((area) =>
    kv.changes.wait(area, after, ending.signal).then(() => woken++),
  );
  await kv.transact([set('b', 'new'), set('ab')]);
  await kv.transact([{ verb: 'delete', key: 'a/1' }]);
  await Promise.all(waiting);
  const last = await kv.changes.lastChange({ prefix: 'a/' });
  assert.ok(last > after);
  const idle = kv.changes.wait({ prefix: 'a/' }, last, ending.signal);
  await kv.transact([set('b', 'newer')]);
  ending.abort();
  await idle;
  assert.equal(woken, 2);
});

test('trees of one transaction share its limit, and so does a tree that is asked for several times', async () => {
  const kv = fresh();
  for (let i = 0; i < 18; i++) await kv.transact([set(`a/${i}`, 'x'.repeat(500_000))]);
  const read = (...keys: string[]) => kv.transact(keys.map((key) => ({ verb: 'get-tree', key })));
  const two = await read('a', 'a/');
  assert.equal(two.ok && two.pairs.length, 36);
  await assert.rejects(read('', 'a', 'a/'), { code: 'too-large' });
  await assert.rejects(read('a/', 'a/', 'a/'), { code: 'too-large' });
});
