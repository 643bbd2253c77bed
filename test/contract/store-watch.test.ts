import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { systemClock as clock, isFlotillaError } from '../../src/lib/index.ts';
import { prefixRange, type Range, type Store, type WatchBatch, type WatchEvent } from '../../src/store/index.ts';
import { compact, connectTo, endAfter, eventually, Relay, SERVER_KINDS, type TestServer } from './store-servers.ts';

const revisionOf = (event: WatchEvent): number => (event.type === 'put' ? event.entry.modRevision : event.modRevision);
const keyOf = (event: WatchEvent): string => (event.type === 'put' ? event.entry.key : event.key);

/** Takes what a watch gives until told to stop. */
class Collector {
  readonly batches: WatchBatch[] = [];
  readonly #ending = new AbortController();
  readonly watch: ReturnType<Store['watch']>;
  readonly done: Promise<unknown>;

  constructor(store: Store, range: Range, from: number) {
    this.watch = store.watch(range, from, this.#ending.signal);
    this.done = this.#collect();
  }

  get events(): WatchEvent[] {
    return this.batches.flatMap(({ events }) => events);
  }

  get reached(): number {
    return this.batches.at(-1)?.revision ?? 0;
  }

  async #collect(): Promise<unknown> {
    try {
      for await (const batch of this.watch) this.batches.push(batch);
      return 'ended';
    } catch (error) {
      return error;
    }
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    assert.equal(await this.done, 'ended');
  }
}

/** Asserts the promises of Watch: revisions rise, none is split over batches, none is told twice. */
function checkOrder(batches: readonly WatchBatch[]): void {
  let reached = 0;
  for (const { revision, events } of batches) {
    assert.ok(revision >= reached, `revision ${revision} after ${reached}`);
    let last = reached;
    for (const event of events) {
      assert.ok(revisionOf(event) > reached && revisionOf(event) >= last && revisionOf(event) <= revision);
      last = revisionOf(event);
    }
    reached = revision;
  }
}

for (const { name, skip, start } of SERVER_KINDS) {
  describe(`Store on ${name}: watches`, { skip }, () => {
    let server: TestServer;
    let store: Store;
    let prefix: string;
    let tests = 0;
    before(async () => {
      server = await start();
      store = connectTo(server.endpoint);
    });
    after(async () => {
      await store?.close();
      await server?.stop();
    });
    beforeEach(() => {
      prefix = `watch${tests++}/`;
    });

    const put = async (key: string, value: string, from = store): Promise<number> =>
      (await from.commit([], [{ put: prefix + key, value }])).revision;

    test('tells every change after the given revision, with what was before', async () => {
      const first = await put('a', '1');
      await put('a', '2');
      const { revision } = await store.commit(
        [],
        [{ put: `${prefix}b`, value: '3' }, { delete: `${prefix}a` }, { put: 'elsewhere', value: '' }],
      );
      const watch = new Collector(store, prefixRange(prefix), first);
      await eventually(() => assert.equal(watch.events.length, 3));
      const one = { key: `${prefix}a`, value: '1', createRevision: first, modRevision: first };
      const two = { ...one, value: '2', modRevision: first + 1 };
      const three = { key: `${prefix}b`, value: '3', createRevision: revision, modRevision: revision };
      assert.deepEqual(watch.events, [
        { type: 'put', entry: two, previous: one },
        { type: 'put', entry: three },
        { type: 'delete', key: `${prefix}a`, modRevision: revision, previous: two },
      ]);
      assert.equal(watch.reached, revision);
      checkOrder(watch.batches);
      await put('c', '4');
      await eventually(() => assert.equal(watch.events.length, 4));
      await watch.stop();
    });

    test('tells how far it has got when asked, though nothing concerned it', async () => {
      const first = await put('a', '1');
      const watch = new Collector(store, prefixRange(prefix), first);
      for (let i = 0; i < 10; i++) {
        const { revision } = await store.commit([], [{ put: 'elsewhere', value: String(i) }]);
        watch.watch.requestProgress();
        await eventually(() => {
          if (watch.reached < revision) watch.watch.requestProgress();
          assert.ok(watch.reached >= revision);
        });
      }
      assert.deepEqual(watch.events, []);
      await watch.stop();
    });

    test('never claims a revision before it has told all of it', async () => {
      const first = await put('a', '1');
      const watch = new Collector(store, prefixRange(prefix), first);
      const written: number[] = [];
      for (let i = 0; i < 200; i++) {
        if (i % 3 === 0) written.push(await put(`k${i % 7}`, String(i)));
        else if (i % 3 === 1) await store.commit([], [{ put: 'elsewhere', value: String(i) }]);
        else {
          const gone = await store.commit([], [{ delete: `${prefix}k${i % 7}` }]);
          if (written.at(-1) !== gone.revision) written.push(gone.revision);
        }
        watch.watch.requestProgress();
      }
      const last = await store.revision();
      await eventually(() => {
        watch.watch.requestProgress();
        assert.ok(watch.reached >= last);
      });
      checkOrder(watch.batches);
      const told = new Set(watch.events.map(revisionOf));
      const really = (await history(first, last)).map(revisionOf);
      assert.deepEqual([...told], [...new Set(really)]);
      await watch.stop();
    });

    /** All changes of the prefix between two revisions, as a fresh watch tells them. */
    async function history(from: number, to: number): Promise<WatchEvent[]> {
      const marker = await put('zz-marker', '');
      const watch = new Collector(store, prefixRange(prefix), from);
      await eventually(() => assert.ok(watch.reached >= marker));
      await watch.stop();
      return watch.events.filter((event) => revisionOf(event) <= to);
    }

    test('loses nothing and repeats nothing over many broken connections', async (t) => {
      const relay = await Relay.to(server.port);
      const far = connectTo(relay.endpoint);
      endAfter(t, far, relay);
      const first = await put('start', '');
      const backlog: number[] = [];
      for (let i = 0; i < 300; i++) backlog.push(await put(`b${i % 5}`, 'x'.repeat(2000)));
      const watch = new Collector(far, prefixRange(prefix), first);
      for (let i = 0; i < 300; i++) {
        backlog.push(await put(`k${i % 5}`, String(i)));
        if (i % 10 === 0) relay.cut();
        if (i % 15 === 0) await clock.sleep(10);
        if (i % 25 === 0) watch.watch.requestProgress();
      }
      await eventually(() => assert.equal(watch.reached, backlog.at(-1)));
      checkOrder(watch.batches);
      assert.deepEqual(watch.events.map(revisionOf), backlog);
      await watch.stop();
    });

    test('goes on after the store was away', async () => {
      const first = await put('a', '1');
      const watch = new Collector(store, prefixRange(prefix), first);
      await put('b', '2');
      await eventually(() => assert.equal(watch.events.length, 1));
      await server.restart();
      await eventually(() => put('c', '3'));
      await eventually(() => assert.equal(watch.events.length, 2));
      assert.equal(keyOf(watch.events[1]!), `${prefix}c`);
      await watch.stop();
    });

    test('a slow consumer gets everything in order', async () => {
      const first = await put('start', '');
      const watch = store.watch(prefixRange(prefix), first, new AbortController().signal);
      const written: number[] = [];
      for (let i = 0; i < 400; i++) written.push(await put('k', 'y'.repeat(20_000)));
      const told: number[] = [];
      for await (const { events } of watch) {
        told.push(...events.map(revisionOf));
        if (told.length >= written.length) break;
      }
      assert.deepEqual(told, written);
    });

    test('a deletion of many keys is one batch', async () => {
      for (let at = 0; at < 3000; at += 100) {
        const writes = Array.from({ length: 100 }, (_, i) => ({ put: `${prefix}${at + i}`, value: 'z'.repeat(500) }));
        await store.commit([], writes);
      }
      const before = await store.revision();
      const watch = new Collector(store, prefixRange(prefix), before);
      const { revision } = await store.commit([], [{ deleteRange: prefixRange(prefix) }]);
      await eventually(() => assert.ok(watch.batches.length > 0));
      assert.deepEqual([watch.batches[0]?.revision, watch.batches[0]?.events.length], [revision, 3000]);
      await watch.stop();
    });

    test('says when the revisions it needs are gone', async (t) => {
      const first = await put('a', '1');
      for (let i = 0; i < 5; i++) await put('a', String(i));
      const relay = await Relay.to(server.port);
      const far = connectTo(relay.endpoint);
      endAfter(t, far, relay);
      const broken = new Collector(far, prefixRange(prefix), first + 1);
      await eventually(() => assert.equal(broken.events.length, 4));
      relay.silence();
      relay.cut();
      for (let i = 0; i < 5; i++) await put('a', String(i));
      const { revision } = await store.commit([], [{ put: 'elsewhere', value: '' }]);
      await compact(server.endpoint, revision);
      const late = new Collector(store, prefixRange(prefix), first);
      assert.ok(isFlotillaError(await late.done, 'compacted'));
      relay.speak();
      relay.cut();
      assert.ok(isFlotillaError(await broken.done, 'compacted'));
      assert.equal(broken.events.length, 4);
    });

    test('ends with its signal and with its store', async () => {
      const other = connectTo(server.endpoint);
      const stopped = new Collector(other, prefixRange(prefix), await store.revision());
      await stopped.stop();
      const open = new Collector(other, prefixRange(prefix), await store.revision());
      await other.close();
      assert.equal(await open.done, 'ended');
    });
  });
}
