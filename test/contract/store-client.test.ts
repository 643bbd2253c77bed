import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { systemClock as clock, systemRandom as random, silentLog } from '../../src/lib/index.ts';
import { freePort } from '../../src/lib/test-free-port.ts';
import { openEtcdStore, prefixRange, type Store } from '../../src/store/index.ts';
import {
  connectTo,
  endAfter,
  eventually,
  Relay,
  SERVER_KINDS,
  startEmbedded,
  type TestServer,
} from './store-servers.ts';

const unavailable = { code: 'unavailable' };

/** A request that has ten minutes: others, begun later, must have been refused while it still waits. */
function patientRequest(test: TestContext, endpoint: string): { stillWaits(): Promise<void> } {
  const store = connectTo(endpoint, { requestTimeoutMs: 600_000 });
  endAfter(test, store);
  const refused = store.revision().then(
    () => assert.fail('it was served'),
    (error: Error) => error.message,
  );
  return {
    async stillWaits() {
      const outcome = await Promise.race([refused, Promise.resolve('waits')]);
      await store.close();
      await refused;
      assert.equal(outcome, 'waits');
    },
  };
}

for (const { name, skip, start } of SERVER_KINDS) {
  describe(`Client of ${name}: connections`, { skip, concurrency: true }, () => {
    let server: TestServer;
    before(async () => {
      server = await start();
    });
    after(() => server?.stop());

    test('goes to the next endpoint when one does not answer', async (t) => {
      const relay = await Relay.to(server.port);
      const dead = `http://127.0.0.1:${await freePort()}`;
      const endpoints = [dead, relay.endpoint, server.endpoint];
      const store = openEtcdStore({ endpoints, clock, random, log: silentLog, requestTimeoutMs: 15_000 });
      endAfter(t, store, relay);
      assert.equal((await store.commit([], [{ put: 'failover', value: '1' }])).ok, true);
      relay.cut();
      assert.equal((await store.get('failover'))?.value, '1');
      await relay.stop();
      assert.equal((await store.get('failover'))?.value, '1');
    });

    test('says that a commit is of unknown outcome when no answer comes, and recovers', async (t) => {
      const [mute, relay] = [await Relay.to(server.port), await Relay.to(server.port)];
      mute.silence();
      const patient = patientRequest(t, mute.endpoint);
      const store = connectTo(relay.endpoint, { requestTimeoutMs: 3000 });
      endAfter(t, store, relay, mute);
      await store.revision();
      relay.silence();
      await assert.rejects(store.commit([], [{ put: 'unknown', value: '1' }]), unavailable);
      await patient.stillWaits();
      relay.speak();
      assert.ok((await store.revision()) > 0);
    });

    test('does not repeat a commit whose connection broke, but repeats a read', async (t) => {
      const relay = await Relay.to(server.port);
      const store = connectTo(relay.endpoint);
      endAfter(t, store, relay);
      for (let i = 0; i < 10; i++) {
        await store.revision();
        relay.silence();
        const commit = store.commit([], [{ put: 'broken', value: '1' }]);
        const read = store.get('broken');
        await clock.sleep(5);
        relay.cut();
        relay.speak();
        await assert.rejects(commit, unavailable);
        await read;
      }
    });

    test('rides through a restart of the store', async (t) => {
      const other = await start();
      const store = connectTo(other.endpoint);
      endAfter(t, store, other);
      const { revision } = await store.commit([], [{ put: 'restart', value: '1' }]);
      const restarted = other.restart();
      assert.equal((await eventually(() => store.get('restart')))?.modRevision, revision);
      await restarted;
    });
  });
}

describe('Client of no store', () => {
  /** Asks; returns the message of its refusal. */
  async function refusal(store: Store): Promise<string> {
    try {
      await store.revision();
    } catch (error) {
      return (error as Error).message;
    } finally {
      await store.close();
    }
    return assert.fail('it answered');
  }

  test('says that there is nothing at the endpoint without using up its time', async () => {
    const port = await freePort();
    const message = await refusal(connectTo(`http://127.0.0.1:${port}`, { requestTimeoutMs: 3_600_000 }));
    assert.match(message, new RegExp(`cannot reach the store at http://127.0.0.1:${port}: connect ECONNREFUSED`));
  });

  test('says what answers when it is no store', async (t) => {
    const server = createHttpServer().listen(0, '127.0.0.1');
    t.after(() => server.close().closeAllConnections());
    await eventually(() => assert.ok(server.listening));
    const message = await refusal(connectTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    assert.match(message, /store/);
  });

  test('does not wait for ever for one that says nothing', async (t) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    await eventually(() => assert.ok(server.listening));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const patient = patientRequest(t, endpoint);
    assert.match(await refusal(connectTo(endpoint, { requestTimeoutMs: 300 })), /store/);
    await patient.stillWaits();
  });

  test('needs an endpoint, and a good one', async () => {
    assert.throws(() => openEtcdStore({ endpoints: [], clock, random, log: silentLog }), { code: 'usage' });
    assert.throws(() => connectTo('127.0.0.1:2379'), { code: 'usage', message: /127.0.0.1:2379.*http:\/\/HOST:PORT/ });
  });

  test('refuses everything once closed, and closing ends what waits', async (t) => {
    const server = await startEmbedded();
    const relay = await Relay.to(server.port);
    const store = connectTo(relay.endpoint);
    endAfter(t, store, relay, server);
    await store.revision();
    const watch = store.watch(prefixRange('x'), 1, new AbortController().signal)[Symbol.asyncIterator]();
    relay.silence();
    const pending = assert.rejects(store.get('k'), unavailable);
    await clock.sleep(20);
    await store.close();
    await pending;
    assert.equal((await watch.next()).done, true);
    await assert.rejects(store.get('k'), { code: 'unavailable', message: /closed/ });
  });
});
