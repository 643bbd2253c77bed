import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isFlotillaError } from '../../src/lib/index.ts';
import { MAX_COMMIT_WRITES, prefixRange, type Store, type Write } from '../../src/store/index.ts';
import { compact, connectTo, endAfter, SERVER_KINDS, type TestServer } from './store-servers.ts';

/** A number of puts under a prefix, in commits as large as allowed. */
async function fill(store: Store, prefix: string, count: number): Promise<number> {
  let revision = 0;
  for (let at = 0; at < count; at += MAX_COMMIT_WRITES) {
    const size = Math.min(MAX_COMMIT_WRITES, count - at);
    const writes = Array.from({ length: size }, (_, i) => ({ put: `${prefix}${pad(at + i)}`, value: `v${at + i}` }));
    ({ revision } = await store.commit([], writes));
  }
  return revision;
}

const pad = (number: number): string => String(number).padStart(6, '0');
const isCompacted = (error: unknown): boolean => isFlotillaError(error, 'compacted');

for (const { name, skip, start } of SERVER_KINDS) {
  describe(`Store on ${name}: reads and commits`, { skip }, () => {
    let server: TestServer;
    let store: Store;
    before(async () => {
      server = await start();
      store = connectTo(server.endpoint);
    });
    after(async () => {
      await store?.close();
      await server?.stop();
    });

    test('what is written is read back, with its revisions', async () => {
      const first = await store.commit([], [{ put: 'read/ä', value: 'eins\0🚀' }]);
      const second = await store.commit([], [{ put: 'read/ä', value: '' }]);
      assert.deepEqual([first.ok, second.ok, second.revision], [true, true, first.revision + 1]);
      const entry = { key: 'read/ä', value: '', createRevision: first.revision, modRevision: second.revision };
      assert.deepEqual(await store.get('read/ä'), entry);
      assert.equal(await store.get('read/'), undefined);
      const past = await store.list(prefixRange('read/'), { revision: first.revision });
      assert.equal(past.entries[0]?.value, 'eins\0🚀');
    });

    test('a range is unchanged since a revision until one of its keys is written', async () => {
      const range = prefixRange('since/');
      const written = await store.commit([], [{ put: 'since/a', value: '' }]);
      const write = { put: 'elsewhere', value: '' };
      const on = (unchangedSince: number) => store.commit([{ range, unchangedSince }], [write]);
      assert.equal((await on(written.revision - 1)).ok, false);
      assert.equal((await on(written.revision)).ok, true);
      await store.commit([], [{ put: 'since/b', value: '' }]);
      assert.equal((await on(written.revision)).ok, false);
      assert.equal((await store.commit([{ range: prefixRange('since/none/'), unchangedSince: 0 }], [write])).ok, true);
    });

    test('the range of a prefix ends behind every character that can follow it', async () => {
      const prefixes = ['\x7f', 'ü', '\ud7ff', '\uffff', '🚀', '\u{10ffff}'];
      for (const prefix of prefixes) {
        const key = `prefixes/${prefix}`;
        await store.commit([], [{ put: `${key}\u{10ffff}`, value: '' }]);
        const { entries } = await store.list(prefixRange(key));
        assert.deepEqual(
          entries.map((entry) => entry.key),
          [`${key}\u{10ffff}`],
        );
      }
    });

    test('a list holds the keys of its range alone, in the order of their bytes', async () => {
      const keys = ['list/b', 'list/a', 'list/a/b', 'list/ä', 'list/Z', 'list/a-', 'lis', 'list0', 'list'];
      const { revision } = await store.commit(
        [],
        keys.map((put) => ({ put, value: put })),
      );
      const { entries, ...rest } = await store.list(prefixRange('list/'));
      const expected = ['list/Z', 'list/a', 'list/a-', 'list/a/b', 'list/b', 'list/ä'];
      assert.deepEqual(
        entries.map(({ key }) => key),
        expected,
      );
      assert.deepEqual(rest, { revision, more: false });
      const two = await store.list(prefixRange('list/'), { limit: 2, keysOnly: true });
      assert.deepEqual(
        two.entries.map(({ key, value }) => [key, value]),
        [
          ['list/Z', ''],
          ['list/a', ''],
        ],
      );
      assert.equal(two.more, true);
      assert.equal((await store.list(prefixRange('list/'), { limit: 6 })).more, false);
      assert.deepEqual((await store.list(prefixRange('list/nothing/'))).entries, []);
    });

    test('a long list is of one revision though others write meanwhile', async () => {
      await fill(store, 'long/', 9000);
      const touchBoth = (value: string) =>
        store.commit(
          [],
          [
            { put: 'long/000000', value },
            { put: 'long/008999', value },
          ],
        );
      await touchBoth('first');
      let writing = true;
      const writer = (async () => {
        for (let i = 0; writing; i++) await touchBoth(String(i));
      })();
      for (let i = 0; i < 5; i++) {
        const { entries, revision } = await store.list(prefixRange('long/'));
        assert.equal(entries.length, 9000);
        assert.equal(entries[0]?.modRevision, entries[8999]?.modRevision);
        assert.ok(revision >= entries[0]!.modRevision);
        assert.ok(entries.every(({ modRevision }) => modRevision <= revision));
      }
      writing = false;
      await writer;
    });

    test('a list shows nothing newer than the revision it names', async () => {
      const writers = Array.from({ length: 8 }, (_, w) =>
        (async () => {
          for (let i = 0; i < 30; i++) await store.commit([], [{ put: `raced/${w}`, value: String(i) }]);
        })(),
      );
      for (let i = 0; i < 30; i++) {
        const { entries, revision } = await store.list(prefixRange('raced/'));
        assert.ok(entries.every(({ modRevision }) => modRevision <= revision));
      }
      await Promise.all(writers);
    });

    test('getMany answers the keys that exist, however many are asked for', async () => {
      await fill(store, 'many/', 300);
      const keys = Array.from({ length: 400 }, (_, i) => `many/${pad(i)}`);
      const entries = await store.getMany(keys);
      assert.deepEqual(
        entries.map(({ key }) => key),
        keys.slice(0, 300),
      );
      assert.deepEqual(await store.getMany([]), []);
    });

    test('revision tells of every commit that was acknowledged before, by whomever', async (t) => {
      const other = connectTo(server.endpoint);
      endAfter(t, other);
      for (let i = 0; i < 20; i++) {
        const { revision } = await other.commit([], [{ put: 'revision', value: String(i) }]);
        assert.equal(await store.revision(), revision);
        assert.equal((await store.get('revision'))?.value, String(i));
      }
    });

    test('a commit is done when all its conditions hold, else nothing of it', async () => {
      const lease = await store.lease(60_000);
      const made = await store.commit([{ key: 'if', createRevision: 0 }], [{ put: 'if', value: '1', lease: lease.id }]);
      assert.equal(made.ok, true);
      const writes: Write[] = [
        { put: 'if', value: '2', lease: lease.id },
        { put: 'if-other', value: '2' },
      ];
      const refused = [
        [{ key: 'if', createRevision: 0 }],
        [{ key: 'if', modRevision: made.revision + 1 }],
        [{ key: 'if', lease: String(BigInt(lease.id) + 1n) }],
        [{ key: 'if-missing', modRevision: made.revision }],
        [
          { key: 'if', modRevision: made.revision },
          { key: 'if-missing', lease: lease.id },
        ],
      ];
      for (const conditions of refused) {
        assert.deepEqual(await store.commit(conditions, writes), { ok: false, revision: made.revision });
      }
      assert.equal(await store.get('if-other'), undefined);
      const all = [
        { key: 'if', createRevision: made.revision },
        { key: 'if', modRevision: made.revision },
      ];
      const done = await store.commit([...all, { key: 'if', lease: lease.id }], writes);
      assert.deepEqual(done, { ok: true, revision: made.revision + 1 });
      assert.deepEqual(await store.get('if'), {
        key: 'if',
        value: '2',
        createRevision: made.revision,
        modRevision: done.revision,
        lease: lease.id,
      });
      await lease.revoke();
    });

    test('of many that race for a key one wins', async () => {
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          store.commit([{ key: 'race', createRevision: 0 }], [{ put: 'race', value: String(i) }]),
        ),
      );
      assert.equal(results.filter(({ ok }) => ok).length, 1);
    });

    test('puts and deletions of one commit share a revision', async () => {
      await fill(store, 'del/', 10);
      const { revision } = await store.commit(
        [],
        [
          { delete: 'del/000000' },
          { deleteRange: prefixRange('del/00000') },
          { put: 'del/new', value: '' },
          { delete: 'del/missing' },
        ],
      );
      const { entries } = await store.list(prefixRange('del/'));
      assert.deepEqual(
        entries.map(({ key, modRevision }) => [key, modRevision]),
        [['del/new', revision]],
      );
    });

    test('a commit that changes nothing makes no revision', async () => {
      const before = await store.revision();
      assert.deepEqual(await store.commit([], [{ delete: 'nothing-here' }]), { ok: true, revision: before });
      assert.deepEqual(await store.commit([], []), { ok: true, revision: before });
    });

    test('what a store would refuse is refused with a clear error', async () => {
      const writes = Array.from({ length: MAX_COMMIT_WRITES + 1 }, (_, i) => ({ put: `x${i}`, value: '' }));
      await assert.rejects(store.commit([], writes), { code: 'invalid', message: /at most 128/ });
      await assert.rejects(store.commit([], [{ put: 'big', value: 'x'.repeat(2_000_000) }]), { code: 'too-large' });
      const twice = [
        { put: 'twice', value: '1' },
        { put: 'twice', value: '2' },
      ];
      await assert.rejects(store.commit([], twice), { code: 'invalid', message: /duplicate key/ });
      await assert.rejects(store.commit([], [{ put: '', value: '' }]), {
        code: 'invalid',
        message: /key is not provided/,
      });
      await assert.rejects(store.commit([], [{ put: 'leased', value: '', lease: '12345' }]), { code: 'not-found' });
      const ahead = (await store.revision()) + 100;
      await assert.rejects(store.list(prefixRange('x'), { revision: ahead }), { code: 'invalid', message: /future/ });
    });

    test('the past is there until it is compacted', async () => {
      const { revision } = await store.commit(
        [],
        [
          { put: 'past/a', value: '1' },
          { put: 'past/b', value: '1' },
        ],
      );
      await store.commit([], [{ put: 'past/a', value: '2' }, { delete: 'past/b' }]);
      const last = await store.commit([], [{ put: 'past/c', value: '3' }]);
      const read = async (at: number) =>
        (await store.list(prefixRange('past/'), { revision: at })).entries.map(({ key, value }) => key + value);
      assert.deepEqual(await read(revision), ['past/a1', 'past/b1']);
      assert.deepEqual(await read(revision + 1), ['past/a2']);
      await compact(server.endpoint, last.revision);
      await assert.rejects(read(revision), isCompacted);
      assert.deepEqual(await read(last.revision), ['past/a2', 'past/c3']);
      await assert.rejects(compact(server.endpoint, last.revision), isCompacted);
    });

    test('a prefix keeps clusters that share a store apart', async (t) => {
      const [one, two] = ['/one/', '/two/'].map((keyPrefix) => connectTo(server.endpoint, { keyPrefix }));
      endAfter(t, one!, two!);
      await one!.commit([{ key: 'k', createRevision: 0 }], [{ put: 'k', value: '1' }]);
      assert.equal((await two!.commit([{ key: 'k', createRevision: 0 }], [{ put: 'k', value: '2' }])).ok, true);
      assert.equal((await one!.get('k'))?.value, '1');
      assert.equal((await two!.getMany(['k']))[0]?.value, '2');
      assert.deepEqual(
        (await one!.list(prefixRange('k'))).entries.map(({ key }) => key),
        ['k'],
      );
      assert.equal((await store.get('/two/k'))?.value, '2');
    });
  });
}
