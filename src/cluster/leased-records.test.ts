import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock as clock, FlotillaError, silentLog as log, systemRandom as random } from '../lib/index.ts';
import type { Machine, UnitStatus } from '../model/index.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';
import { openEtcdStore, type Store } from '../store/index.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { LeasedRecords } from './leased-records.ts';
import type { Announcement } from './machine-records.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-leased-'));
let server: Awaited<ReturnType<typeof startEmbeddedStore>>;
let store: Store;

before(async () => {
  server = await startEmbeddedStore({ directory, host: '127.0.0.1', port: 0, clock, random, log });
  store = openEtcdStore({ endpoints: [server.endpoint], clock, random, log });
});

after(async () => {
  await store.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

const MACHINE: Machine = {
  id: 'm1',
  address: '10.0.0.1',
  metadata: {},
  resources: { cores: 2, memoryBytes: 1e9 },
  version: '1',
};

/** Returns the store for a client whose connection breaks before its first `revokeLease`. */
function losingOneRevocation(): Store {
  let lost = false;
  return new Proxy(store, {
    get(target, name) {
      if (name === 'revokeLease' && !lost) {
        lost = true;
        return () => Promise.reject(new FlotillaError('unavailable', 'the connection broke'));
      }
      const member = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

function statusesOf(cluster: Cluster): LeasedRecords<UnitStatus> {
  return new LeasedRecords({
    read: (announcement) => cluster.statusesOf(announcement),
    write: (announcement, changes) => cluster.putStatuses(announcement, changes),
    same: (a, b) => a.active === b.active,
  });
}

test('records under an earlier lease are written again, since they would vanish with it', async () => {
  const cluster = openCluster({ store: losingOneRevocation(), prefix: '/leased/', clock, random, log });
  const seen = { hash: 'h', state: 'launched', load: 'loaded', active: 'active', sub: 'running' } as const;
  const current = new Map([['a.service', { machine: 'm1', unit: 'a.service', ...seen }]]);
  const statuses = statusesOf(cluster);
  const old = await cluster.lease(5000);
  const past = (await cluster.announce(MACHINE, 'token', old)) as Announcement;
  assert.equal(await statuses.publish(past, current), 'published');

  const fresh = await cluster.lease(5000);
  await assert.rejects(cluster.announce(MACHINE, 'token', fresh), /the connection broke/);
  const announcement = (await cluster.announce(MACHINE, 'token', fresh)) as Announcement;
  assert.equal(await statuses.publish(announcement, current), 'published');
  await old.revoke();
  assert.deepEqual([...(await cluster.statusesOf(announcement)).values()], [...current.values()]);
  await fresh.revoke();
});
