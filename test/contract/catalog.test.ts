import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Announcement, type Cluster, openCluster } from '../../src/cluster/index.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { type Catalog, openCatalog, type ServiceInstance } from '../../src/services/index.ts';
import { join, machine, registration } from '../../src/services/test-services.ts';
import type { Store } from '../../src/store/index.ts';
import { compact, connectTo, Relay, SERVER_KINDS, type TestServer } from './store-servers.ts';

function instance(id: string, name: string, port = 80): ServiceInstance {
  const { checks: _, ...rest } = registration(id, { name, port });
  return { ...rest, machine: 'm1', address: '10.0.0.1', checks: [] };
}

for (const kind of SERVER_KINDS) {
  describe(`catalog on ${kind.name}`, { skip: kind.skip }, () => {
    let server: TestServer;
    const closers: (() => Promise<void>)[] = [];
    const stopping = new AbortController();
    let count = 0;
    before(async () => {
      server = await kind.start();
    });
    after(async () => {
      stopping.abort();
      for (const close of closers) await close();
      await server.stop();
    });

    function open(endpoint: string, prefix: string): { store: Store; cluster: Cluster } {
      const store = connectTo(endpoint);
      closers.push(() => store.close());
      return { store, cluster: openCluster({ store, prefix, clock, random, log }) };
    }

    /** A machine with services behind one network, and a catalog behind another. */
    async function apart() {
      const prefix = `/catalog${++count}/`;
      const [near, far] = [await Relay.to(server.port), await Relay.to(server.port)];
      closers.push(
        () => near.stop(),
        () => far.stop(),
      );
      const writer = open(near.endpoint, prefix);
      const m1 = await join(writer.cluster, machine('m1'));
      const put = (changes: Readonly<Record<string, ServiceInstance | undefined>>, by: Announcement = m1) =>
        writer.cluster.putInstances(by, new Map(Object.entries(changes)));
      await put({ a: instance('a', 'one'), b: instance('b', 'one'), c: instance('c', 'two') });
      const { cluster } = open(far.endpoint, prefix);
      const catalog = openCatalog({ cluster, clock, random, log, signal: stopping.signal });
      await catalog.sync();
      assert.deepEqual(idsOf(catalog), { one: ['a', 'b'], two: ['c'] });
      return { near, far, writer, put, m1, catalog };
    }

    test('a machine that falls silent takes its services along, in one revision', async () => {
      const { near, catalog } = await apart();
      const states: string[] = [];
      catalog.onChange(({ nodes, services }) => states.push(`${nodes.size} ${services.size}`));
      near.silence();
      await until('its lease has ended', () => catalog.snapshot.nodes.size === 0, 30_000);
      assert.deepEqual(states, ['0 0']);
      near.speak();
    });

    test('what happened while the network was cut is known afterwards, even if the store has forgotten how', async () => {
      const { far, writer, put, catalog } = await apart();
      const earlier = catalog.snapshot;
      far.silence();
      far.cut();
      await put({ a: undefined });
      await put({ d: instance('d', 'three') });
      await compact(server.endpoint, await writer.store.revision());
      far.speak();
      far.cut();
      await until('the new service is known', () => catalog.snapshot.services.has('three'));
      assert.deepEqual(idsOf(catalog), { one: ['b'], three: ['d'], two: ['c'] });
      const { services, nodes, revisionOf } = catalog.snapshot;
      assert.equal(services.get('two'), earlier.services.get('two'));
      assert.equal(services.get('one')?.[0], earlier.services.get('one')?.[1]);
      assert.equal(nodes, earlier.nodes);
      assert.ok(revisionOf('one') > earlier.revision);
      assert.equal(revisionOf('two'), earlier.revisionOf('two'));
    });

    test('a store that is killed and comes back loses nothing, and is followed again', async () => {
      const { put, catalog } = await apart();
      await server.restart();
      // That the connection is gone may be noticed by the first write only.
      await put({ e: instance('e', 'four') }).catch(() => put({ e: instance('e', 'four') }));
      await until('the change after it is known', () => catalog.snapshot.services.has('four'), 30_000);
      assert.deepEqual(idsOf(catalog), { four: ['e'], one: ['a', 'b'], two: ['c'] });
    });

    test('external nodes outlive every machine and the store, and lose nothing to writers at the same time', async () => {
      const { writer, near, catalog } = await apart();
      const other = open(server.endpoint, `/catalog${count}/`).cluster;
      const node = { name: 'Db', address: '10.0.0.7', uuid: '', meta: {} };
      const { machine: _, checks: __, ...pg } = instance('pg', 'postgres');
      const check = { name: '', type: '', status: 'passing', output: '', notes: '' } as const;
      const put = (by: Cluster, id: string) =>
        by.registerExternal({
          node,
          keepNode: false,
          instance: { ...pg, id },
          checks: [{ ...check, id: `of ${id}`, service: id }],
        });
      const both = [writer.cluster, other];
      await Promise.all(Array.from({ length: 12 }, (_, number) => put(both[number % 2]!, `pg-${number}`)));
      await catalog.sync();
      assert.equal(catalog.snapshot.services.get('postgres')?.length, 12);
      const written = catalog.snapshot.revision;
      await put(other, 'pg-3');
      await catalog.sync();
      assert.equal(catalog.snapshot.revision, written, 'what is there already is not written');
      near.silence();
      await until('its lease has ended', () => !catalog.snapshot.nodes.has('m1'), 30_000);
      assert.equal(catalog.snapshot.services.get('postgres')?.length, 12);
      near.speak();
      await server.restart();
      const take = { node: 'db', service: 'pg-3', check: '' };
      await other.deregisterExternal(take).catch(() => other.deregisterExternal(take));
      await until('it is gone', () => catalog.snapshot.services.get('postgres')?.length === 11, 30_000);
      const stated = { ...check, id: 'late', service: 'pg-3' };
      await assert.rejects(other.registerExternal({ node, keepNode: true, checks: [stated] }), { code: 'invalid' });
      await other.deregisterExternal({ node: 'db', service: '', check: '' });
      await until('all is gone', () => catalog.snapshot.nodes.size === 0 && catalog.snapshot.services.size === 0);
    });

    test('what a machine writes after it was announced anew is refused under the announcement before', async () => {
      const { writer, put, m1, catalog } = await apart();
      const again = await writer.cluster.announce(machine('m1'), 'token of m1', m1.lease);
      assert.notEqual(again, 'taken');
      await assert.rejects(put({ a: undefined }), { code: 'conflict' });
      await put({ b: undefined }, again as Announcement);
      await catalog.sync();
      assert.deepEqual(idsOf(catalog), { one: ['a'], two: ['c'] });
    });
  });
}

function idsOf({ snapshot }: Catalog): Record<string, string[]> {
  const sorted = [...snapshot.services].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, list]) => [name, list.map(({ id }) => id)]));
}
