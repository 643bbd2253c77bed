import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock as clock, isFlotillaError, systemRandom as random, silentLog } from '../lib/index.ts';
import { type Machine, NO_NEEDS, type Unit } from '../model/index.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';
import { openEtcdStore, type Store } from '../store/index.ts';
import { openCluster } from './cluster.ts';
import type { Announcement } from './machine-records.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-cluster-'));
const closing = new AbortController();
const log = silentLog;
let server: Awaited<ReturnType<typeof startEmbeddedStore>>;
let store: Store;
let prefixes = 0;

before(async () => {
  server = await startEmbeddedStore({ directory, host: '127.0.0.1', port: 0, clock, random, log });
  store = openEtcdStore({ endpoints: [server.endpoint], clock, random, log });
});

after(async () => {
  closing.abort();
  await store.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

/** Returns a cluster with a key prefix of its own. */
function newCluster() {
  const prefix = `/test${++prefixes}/`;
  return { prefix, cluster: openCluster({ store, prefix, clock, random, log }) };
}

function unit(name: string, over: Partial<Unit> = {}): Unit {
  return { name, hash: 'h1', desired: 'launched', needs: NO_NEEDS, ...over };
}

function machine(id: string, over: Partial<Machine> = {}): Machine {
  const resources = { cores: 2, memoryBytes: 1e9 };
  return { id, address: '10.0.0.1', metadata: { region: 'eu' }, resources, version: '1', ...over };
}

test('a unit is created once, replaced only when it is what the caller saw, and destroyed with its text', async () => {
  const { cluster } = newCluster();
  const first = unit('a.service');
  assert.equal(await cluster.putUnit(first, 'text 1', undefined), true);
  assert.equal(await cluster.putUnit(first, 'text 1', undefined), false);
  const second = unit('a.service', { hash: 'h2', needs: { ...NO_NEEDS, conflicts: ['b*'], metadata: { k: ['v'] } } });
  assert.equal(await cluster.putUnit(second, 'text 2', unit('a.service', { hash: 'other' })), false);
  assert.equal(await cluster.putUnit(second, 'text 2', first), true);
  assert.deepEqual([...(await cluster.texts([{ name: 'a.service', hash: 'h2' }]))], [['h2', 'text 2']]);
  assert.equal((await cluster.texts([{ name: 'a.service', hash: 'h1' }])).size, 0);
  const view = await cluster.fullView(closing.signal);
  assert.deepEqual(view.snapshot.units.get('a.service'), second);
  assert.equal(await cluster.destroyUnit('a.service'), true);
  assert.equal(await cluster.destroyUnit('a.service'), false);
  assert.equal((await view.sync()).units.size, 0);
  assert.equal((await cluster.texts([{ name: 'a.service', hash: 'h2' }])).size, 0);
});

test('a text has the file as submitted beside it, and records of an older version without one are read', async () => {
  const { cluster, prefix } = newCluster();
  const it = unit('a.service');
  await cluster.putUnit(it, 'text', undefined, '# as submitted');
  assert.equal(await cluster.submittedText(it), '# as submitted');
  assert.equal(await cluster.submittedText({ ...it, hash: 'h2' }), undefined);
  assert.deepEqual([...(await cluster.texts([it]))], [['h1', 'text']]);
  const older = JSON.stringify({ hash: 'h1', text: 'older' });
  await store.commit([], [{ put: `${prefix}text/a.service`, value: older }]);
  assert.equal(await cluster.submittedText(it), undefined);
  assert.deepEqual([...(await cluster.texts([it]))], [['h1', 'older']]);
  await cluster.destroyUnit('a.service');
  assert.equal(await cluster.submittedText(it), undefined);
});

test('sync returns what was written before it was called', async () => {
  const { cluster } = newCluster();
  const view = await cluster.fullView(closing.signal);
  for (let i = 0; i < 50; i++) {
    await cluster.putUnit(unit(`u${i}.service`), '', undefined);
    assert.ok((await view.sync()).units.has(`u${i}.service`));
  }
});

test('a view reports every change with the record before it', async () => {
  const { cluster } = newCluster();
  const view = await cluster.engineView(closing.signal);
  const changes: unknown[] = [];
  view.onChange((batch) => changes.push(...batch.changes));
  await cluster.putUnit(unit('a.service'), '', undefined);
  await cluster.setDesired('a.service', 'loaded');
  await cluster.setDesired('a.service', 'loaded');
  await cluster.destroyUnit('a.service');
  await view.sync();
  const [launched, loaded] = [unit('a.service'), unit('a.service', { desired: 'loaded' })];
  assert.deepEqual(changes, [
    { kind: 'unit', name: 'a.service', after: launched },
    { kind: 'unit', name: 'a.service', before: launched, after: loaded },
    { kind: 'unit', name: 'a.service', before: loaded },
  ]);
});

test('metadata set by users outlives the machine and overrides what the machine announces', async () => {
  const { cluster } = newCluster();
  const view = await cluster.engineView(closing.signal);
  await cluster.setMetadata([
    { machine: 'm1', key: 'region', value: 'us' },
    { machine: 'm1', key: 'a/b', value: 'slash' },
  ]);
  assert.equal((await view.sync()).machines.size, 0);
  const lease = await cluster.lease(5000);
  await cluster.announce(machine('m1'), 'token', lease);
  assert.deepEqual((await view.sync()).machines.get('m1')?.metadata, { region: 'us', 'a/b': 'slash' });
  await cluster.setMetadata([{ machine: 'm1', key: 'region', value: undefined }]);
  assert.deepEqual(
    (await view.sync()).machines.get('m1')?.metadata,
    { 'a/b': 'slash' },
    'also where it says otherwise',
  );
  await lease.revoke();
  assert.equal((await view.sync()).machines.size, 0);
});

const STATUS = {
  unit: 'a.service',
  hash: 'h',
  state: 'launched',
  load: 'loaded',
  active: 'active',
  sub: 'running',
} as const;

async function announced(announcing: Promise<Announcement | 'taken'>): Promise<Announcement> {
  const announcement = await announcing;
  assert.notEqual(announcement, 'taken');
  return announcement as Announcement;
}

test('one fleetd holds a machine id, and takes over its own earlier record, whose lease is revoked', async () => {
  const { cluster } = newCluster();
  const view = await cluster.fullView(closing.signal);
  const old = await cluster.lease(5000);
  const past = await announced(cluster.announce(machine('m1'), 'token', old));
  await cluster.putStatuses(past, new Map([['a.service', { ...STATUS, machine: 'm1' }]]));
  assert.ok(await cluster.campaign('m1', old));

  const fresh = await cluster.lease(5000);
  assert.equal(await cluster.announce(machine('m1'), 'another token', fresh), 'taken');
  assert.equal(await cluster.announce(machine('m1', { address: '10.0.0.2' }), 'token', fresh), 'taken');
  await announced(cluster.announce(machine('m1'), 'token', fresh));
  const { machines, statuses, leader } = await view.sync();
  assert.equal(machines.size, 1);
  assert.equal(statuses.size, 0);
  assert.equal(leader, undefined);
  await fresh.revoke();
});

test('a unit text that cannot be read is skipped, and the other units of the machine are read', async () => {
  const { cluster, prefix } = newCluster();
  assert.equal(await cluster.putUnit(unit('a.service'), 'text', undefined), true);
  await store.commit([], [{ put: `${prefix}text/b.service`, value: 'half a rec' }]);
  await store.commit([], [{ put: `${prefix}text/c.service`, value: '[1]' }]);
  const texts = await cluster.texts(['a', 'b', 'c'].map((name) => ({ name: `${name}.service`, hash: 'h1' })));
  assert.deepEqual([...texts], [['h1', 'text']]);
});

test('statuses are written only by a machine that is present, and never under an earlier announcement', async () => {
  const { cluster } = newCluster();
  const lease = await cluster.lease(5000);
  const first = await announced(cluster.announce(machine('m1'), 'token', lease));
  const status = { ...STATUS, machine: 'm1' };
  await cluster.putStatuses(first, new Map([['a.service', status]]));
  const second = await announced(cluster.announce(machine('m1'), 'token', lease));
  const stale = new Map([['a.service', { ...status, active: 'failed' }]]);
  await assert.rejects(cluster.putStatuses(first, stale), (error) => isFlotillaError(error, 'conflict'));
  assert.deepEqual([...(await cluster.statusesOf(second)).values()], [status]);
  await lease.revoke();
  assert.equal((await cluster.statusesOf(second)).size, 0);
  await assert.rejects(cluster.putStatuses(second, stale), (error) => isFlotillaError(error, 'conflict'));
});

test('a run of a RunOnce unit is recorded by the machine on which it is placed, until the unit is started again', async () => {
  const { cluster } = newCluster();
  const lease = await cluster.lease(5000);
  const announcement = (await cluster.announce(machine('m1'), 't1', lease)) as Announcement;
  const view = await cluster.fullView(closing.signal);
  const ran = async () => (await view.sync()).units.get('a.service')?.ran?.machine;
  const once = unit('a.service', { needs: { ...NO_NEEDS, runOnce: true } });
  await cluster.putUnit(once, 'text', undefined);
  assert.equal(await cluster.recordRun(announcement, once), 'unwanted');
  assert.equal(await ran(), undefined, 'it is not placed there');
  const put = { machine: 'm1', unit: 'a.service', hash: 'h1', desired: 'launched', reason: 'r', once: 'due' } as const;
  await (await cluster.campaign('m1', lease))!.place([{ put }]);
  const { revision } = (await cluster.ranOnce([once])).get('a.service')!;
  assert.equal(await cluster.recordRun(announcement, { ...once, revision: revision - 1 }), 'outdated');
  assert.equal(await ran(), undefined);
  assert.equal(await cluster.recordRun(announcement, { ...once, revision }), 'done');
  assert.equal(await ran(), 'm1');
  assert.equal(await cluster.recordRun(announcement, once), 'unwanted', 'it is written down already');
  assert.equal((await cluster.ranOnce([once])).get('a.service')!.ran, true);
  assert.equal((await cluster.ranOnce([{ ...once, hash: 'h2' }])).get('a.service')!.ran, false);
  await cluster.setDesired('a.service', 'launched');
  assert.equal(await ran(), undefined, 'its user starts it again');
  await lease.revoke();
  await assert.rejects(cluster.recordRun(announcement, once), (error) => isFlotillaError(error, 'conflict'));
});

test('one machine leads, and a new term of the same leader invalidates the one before', async () => {
  const { cluster } = newCluster();
  const [one, two] = [await cluster.lease(5000), await cluster.lease(5000)];
  await cluster.announce(machine('m1'), 't1', one);
  await cluster.announce(machine('m2'), 't2', two);
  const first = (await cluster.campaign('m1', one))!;
  assert.equal(await cluster.campaign('m2', two), undefined);
  const put = { machine: 'm1', unit: 'a.service', hash: 'h', desired: 'launched', reason: 'r' } as const;
  assert.equal(typeof (await first.place([{ put }])), 'number');
  const second = (await cluster.campaign('m1', one))!;
  assert.equal(await first.place([{ remove: put }]), undefined);
  assert.equal(typeof (await second.place([{ remove: put }])), 'number');
  await one.revoke();
  assert.ok(await cluster.campaign('m2', two));
  assert.equal(await second.place([{ put }]), undefined);
  await two.revoke();
});

test('records that cannot be read are skipped', async () => {
  const { cluster, prefix } = newCluster();
  await cluster.putUnit(unit('good.service'), '', undefined);
  const bad = [
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '{"hash":1,"desired":"launched"}',
    '{"hash":"h","desired":"flying"}',
    '\u0000\uffff',
  ];
  const writes = bad.map((value, i) => ({ put: `${prefix}cluster/unit/bad${i}.service`, value }));
  await store.commit(
    [],
    [...writes, { put: `${prefix}cluster/machine/m`, value: '{}' }, { put: `${prefix}cluster/leader`, value: '' }],
  );
  const { units, machines, leader } = (await cluster.fullView(closing.signal)).snapshot;
  assert.deepEqual([...units.keys()], ['good.service']);
  assert.equal(machines.size, 0);
  assert.equal(leader, undefined);
});

test('all fleetds read one secret, whichever of them asks first', async () => {
  const { cluster } = newCluster();
  const secrets = await Promise.all(Array.from({ length: 8 }, () => cluster.secret()));
  assert.equal(new Set(secrets).size, 1);
  assert.match(secrets[0]!, /^[0-9a-f]{64}$/);
});

test('history returns the changes that the store still keeps, oldest first', async () => {
  const { cluster } = newCluster();
  await cluster.putUnit(unit('a.service'), '', undefined);
  await cluster.setDesired('a.service', 'inactive');
  const { moments } = await cluster.history(1000, closing.signal);
  const [created, lowered] = moments.flatMap(({ changes }) => changes);
  assert.deepEqual(created, { kind: 'unit', name: 'a.service', after: unit('a.service') });
  assert.ok(
    lowered?.kind === 'unit' && lowered.before?.desired === 'launched' && lowered.after?.desired === 'inactive',
  );
});
