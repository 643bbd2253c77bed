import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock as clock } from '../../src/lib/index.ts';
import { type Lease, prefixRange, type Store } from '../../src/store/index.ts';
import { connectTo, endAfter, eventually, Relay, SERVER_KINDS, type TestServer } from './store-servers.ts';

/** Resolves with the monotonic time at which the lease says it is lost. */
function whenLost(lease: Lease): Promise<number> {
  return new Promise((resolve) => {
    const tell = () => resolve(clock.monotonic());
    if (lease.lost.aborted) tell();
    else lease.lost.addEventListener('abort', tell);
  });
}

for (const { name, skip, start } of SERVER_KINDS) {
  describe(`Store on ${name}: leases`, { skip, concurrency: true }, () => {
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

    test('a lease that nobody keeps ends, unless it is renewed in time', async () => {
      const [left, renewed] = [await store.grantLease(1000), await store.grantLease(1000)];
      await store.commit(
        [],
        [left, renewed].map((lease) => ({ put: `granted/${lease}`, value: '', lease })),
      );
      const there = async (lease: string) => (await store.get(`granted/${lease}`)) !== undefined;
      const deadline = clock.monotonic() + 15_000;
      while (await there(left)) {
        assert.ok(clock.monotonic() < deadline, 'the lease does not end');
        assert.equal(await store.renewLease(renewed), true);
        await clock.sleep(200);
      }
      assert.equal(await there(renewed), true);
      assert.equal(await store.renewLease(left), false);
      await store.revokeLease(renewed);
      assert.equal(await there(renewed), false);
    });

    test('keys of a lease live as long as it is kept alive, and vanish in one revision', async () => {
      const other = connectTo(server.endpoint);
      const lease = await other.lease(1700);
      assert.equal(lease.ttlMs, 2000);
      const writes = Array.from({ length: 100 }, (_, i) => ({ put: `kept/${i}`, value: '', lease: lease.id }));
      await other.commit([], writes);
      await clock.sleep(2 * lease.ttlMs);
      const { entries, revision } = await store.list(prefixRange('kept/'));
      assert.equal(entries.length, 100);
      assert.equal(lease.lost.aborted, false);
      assert.ok(lease.deadline() > clock.monotonic());
      await other.close();
      for await (const batch of store.watch(prefixRange('kept/'), revision, AbortSignal.timeout(10_000))) {
        assert.equal(batch.events.length, 100);
        assert.ok(batch.events.every((event) => event.type === 'delete' && event.modRevision === batch.revision));
        assert.ok(clock.monotonic() >= lease.deadline(), 'gone before its holder could know');
        return;
      }
      assert.fail('the keys did not vanish');
    });

    test('a lease that cannot be kept alive is lost in time, and before the store ends it', async (t) => {
      const relay = await Relay.to(server.port);
      const far = connectTo(relay.endpoint);
      endAfter(t, far, relay);
      const lease = await far.lease(3000);
      await far.commit([], [{ put: 'silent', value: '', lease: lease.id }]);
      await clock.sleep(1500);
      relay.silence();
      const lostAt = whenLost(lease);
      const goneAt = eventually(async () => {
        assert.equal(await store.get('silent'), undefined);
        return clock.monotonic();
      });
      assert.ok((await lostAt) >= lease.deadline());
      assert.ok((await lostAt) <= (await goneAt), 'the store was faster');
    });

    test('broken connections do not cost a lease', async (t) => {
      const relay = await Relay.to(server.port);
      const far = connectTo(relay.endpoint);
      endAfter(t, far, relay);
      const lease = await far.lease(2000);
      for (let i = 0; i < 25; i++) {
        await clock.sleep(200);
        relay.cut();
      }
      assert.equal(lease.lost.aborted, false);
      await lease.revoke();
    });

    test('revoking ends a lease at once, for its keys and for all who hold it', async () => {
      const lease = await store.lease(3000);
      const held = await store.resumeLease(lease.id);
      const { revision } = await store.commit(
        [],
        [
          { put: 'revoked/a', value: '', lease: lease.id },
          { put: 'revoked/b', value: '', lease: lease.id },
        ],
      );
      await lease.revoke();
      assert.equal(lease.lost.aborted, true);
      const { entries, revision: now } = await store.list(prefixRange('revoked/'));
      assert.deepEqual(entries, []);
      assert.ok(now > revision);
      assert.ok((await whenLost(held!)) <= held!.deadline());
      await lease.revoke();
      await store.revokeLease(lease.id);
      assert.equal(await store.resumeLease(lease.id), undefined);
    });

    test('a lease of another process can be taken up', async () => {
      const first = connectTo(server.endpoint);
      const lease = await first.lease(2000);
      await first.commit([], [{ put: 'resumed', value: '', lease: lease.id }]);
      await first.close();
      const resumed = await store.resumeLease(lease.id);
      assert.equal(resumed?.ttlMs, 2000);
      await clock.sleep(3000);
      assert.equal((await store.get('resumed'))?.lease, lease.id);
      await resumed!.revoke();
      assert.equal(await store.get('resumed'), undefined);
    });

    test('a key belongs to the lease it was last put with', async () => {
      const [one, two] = [await store.lease(60_000), await store.lease(60_000)];
      await store.commit(
        [],
        [
          { put: 'moved/a', value: '', lease: one.id },
          { put: 'moved/b', value: '', lease: one.id },
          { put: 'moved/c', value: '', lease: one.id },
        ],
      );
      await store.commit(
        [],
        [
          { put: 'moved/a', value: '', lease: two.id },
          { put: 'moved/b', value: '' },
        ],
      );
      await one.revoke();
      const { entries } = await store.list(prefixRange('moved/'));
      assert.deepEqual(
        entries.map(({ key, lease }) => [key, lease]),
        [
          ['moved/a', two.id],
          ['moved/b', undefined],
        ],
      );
      await two.revoke();
    });

    test('a lease that is not there cannot be put with or taken up', async () => {
      assert.equal(await store.resumeLease('4711'), undefined);
      await store.revokeLease('4711');
      await assert.rejects(store.commit([], [{ put: 'k', value: '', lease: '4711' }]), { code: 'not-found' });
    });
  });
}
