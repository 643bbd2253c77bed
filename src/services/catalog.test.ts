import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../lib/test-until.ts';
import { healthOf, openCatalog } from './index.ts';
import { nodeNames } from './node-names.ts';
import { join, machine, openTestStore, PublishingMachine, registration } from './test-services.ts';

const testStore = await openTestStore();

function instance(id: string, name: string, on: string) {
  const { checks: _, ...rest } = registration(id, { name });
  return { ...rest, machine: on, address: '10.0.0.1', checks: [] };
}

test('instances are listed by service, sorted by node and id, and a change keeps all other objects', async () => {
  const cluster = testStore.newCluster();
  const catalog = openCatalog({ ...testStore.options, cluster });
  await catalog.sync();
  assert.equal(catalog.snapshot.services.size, 0);
  assert.equal(catalog.snapshot.revisionOf('web'), 1);
  const [m1, m2] = [
    await join(cluster, machine('m1', { name: 'z' })),
    await join(cluster, machine('m2', { name: 'a' })),
  ];
  await cluster.putInstances(
    m1,
    new Map([
      ['web-2', instance('web-2', 'web', 'm1')],
      ['web-1', instance('web-1', 'web', 'm1')],
      ['db/1', instance('db/1', 'db', 'm1')],
    ]),
  );
  await cluster.putInstances(m2, new Map([['web-9', instance('web-9', 'web', 'm2')]]));
  await catalog.sync();
  const before = catalog.snapshot;
  assert.deepEqual(
    before.services.get('web')?.map(({ id }) => id),
    ['web-9', 'web-1', 'web-2'],
  );
  assert.deepEqual(before.services.get('db')?.[0]?.id, 'db/1');
  assert.equal(before.nodes.get('m2')?.name, 'a');

  await cluster.putInstances(m2, new Map([['web-9', undefined]]));
  await catalog.sync();
  const next = catalog.snapshot;
  assert.equal(next.services.get('db'), before.services.get('db'));
  assert.equal(next.nodes, before.nodes);
  assert.equal(next.services.get('web')?.[0], before.services.get('web')?.[1]);
  assert.ok(next.revisionOf('web') > before.revisionOf('web'));
  assert.equal(next.revisionOf('db'), before.revisionOf('db'));
  assert.equal(before.services.get('web')?.length, 3);

  await cluster.putInstances(m1, new Map([['db/1', undefined]]));
  await catalog.sync();
  assert.equal(catalog.snapshot.services.has('db'), false);
  assert.equal(catalog.snapshot.revisionOf('db'), catalog.snapshot.revision);
});

test("a machine's instances vanish in the same revision as its lease", async () => {
  const cluster = testStore.newCluster();
  const catalog = openCatalog({ ...testStore.options, cluster });
  const m1 = await join(cluster, machine('m1'));
  await cluster.putInstances(m1, new Map([['web-1', instance('web-1', 'web', 'm1')]]));
  await catalog.sync();
  assert.equal(catalog.snapshot.services.get('web')?.length, 1);
  const torn: boolean[] = [];
  catalog.onChange(({ nodes, services }) => torn.push(nodes.has('m1') !== services.has('web')));
  await m1.lease.revoke();
  await catalog.sync();
  assert.equal(catalog.snapshot.nodes.has('m1'), false);
  assert.ok(torn.length > 0);
  assert.ok(torn.every((each) => !each));
});

test('a catalog opened later has the same content', async () => {
  const cluster = testStore.newCluster();
  const early = openCatalog({ ...testStore.options, cluster });
  const m1 = await join(cluster, machine('m1'));
  for (let i = 0; i < 20; i++)
    await cluster.putInstances(
      m1,
      new Map([[`w${i % 7}`, i % 3 === 0 ? undefined : instance(`w${i % 7}`, 'web', 'm1')]]),
    );
  const late = openCatalog({ ...testStore.options, cluster });
  await Promise.all([early.sync(), late.sync()]);
  assert.deepEqual(late.snapshot.services, early.snapshot.services);
  assert.deepEqual(late.snapshot.nodes, early.snapshot.nodes);
  assert.ok(late.snapshot.revisionOf('web') >= early.snapshot.revisionOf('web'));
});

test('the registrations of a source enter and leave the catalog, and none is written twice', async () => {
  const cluster = testStore.newCluster();
  const catalog = openCatalog({ ...testStore.options, cluster });
  const one = new PublishingMachine(testStore, cluster, machine('m1'));
  await one.join();
  one.source.say([registration('web-1'), registration('web-2', { address: '10.9.9.9', unit: 'web@2.service' })]);
  await until('both are there', () => catalog.snapshot.services.get('web')?.length === 2);
  const [first, second] = catalog.snapshot.services.get('web')!;
  assert.equal(first?.address, '10.0.0.1');
  assert.equal(second?.address, '10.9.9.9');
  assert.equal(second?.unit, 'web@2.service');
  one.source.say([registration('web-1')]);
  await until('one has gone', () => catalog.snapshot.services.get('web')?.length === 1);
  const revision = await testStore.store.revision();
  one.source.say([registration('web-1')]);
  await one.local.register(registration('api-1', { name: 'api' }), { keepChecks: false });
  await until('the other one is there', () => catalog.snapshot.services.has('api'));
  assert.equal(await testStore.store.revision(), revision + 1);
});

test('many large instances are written in commits that the store takes', async () => {
  const cluster = testStore.newCluster();
  const catalog = openCatalog({ ...testStore.options, cluster });
  const one = new PublishingMachine(testStore, cluster, machine('m1'));
  await one.join();
  const meta = { much: 'x'.repeat(30_000) };
  one.source.say(Array.from({ length: 200 }, (_, i) => registration(`web-${i}`, { meta })));
  await until('all are there', () => catalog.snapshot.services.get('web')?.length === 200);
});

test('after the loss of its lease a machine announces everything again', async () => {
  const cluster = testStore.newCluster();
  const catalog = openCatalog({ ...testStore.options, cluster });
  const one = new PublishingMachine(testStore, cluster, machine('m1'));
  await one.join();
  one.source.say([registration('web-1')]);
  await until('it is there', () => catalog.snapshot.services.has('web'));
  const { lease } = one.announcement!;
  one.present(undefined);
  await lease.revoke();
  await until('it has gone with the lease', () => !catalog.snapshot.services.has('web'));
  await one.join();
  await until('it is there again', () => catalog.snapshot.services.has('web'));
});

test('over a restart of fleetd instances and results stay until they are known anew', async () => {
  const cluster = testStore.newCluster();
  const catalog = openCatalog({ ...testStore.options, cluster });
  const ttl = { id: 'c', name: 'c', notes: '', probe: { type: 'ttl', ttlMs: 60_000 }, status: 'critical' } as const;
  const before = new PublishingMachine(testStore, cluster, machine('m1'));
  await before.join();
  before.source.say([registration('web-1', { checks: [ttl] })]);
  await before.local.register(registration('api-1', { name: 'api', source: 'api' }), { keepChecks: false });
  await until('both are there', () => catalog.snapshot.services.has('web') && catalog.snapshot.services.has('api'));
  assert.ok(before.local.report('c', 'passing', 'fine'));
  await until('it passes', () => healthOf(catalog.snapshot.services.get('web')![0]!) === 'passing');
  before.stop();

  const bad: unknown[] = [];
  catalog.onChange(({ services }) => {
    const [web] = services.get('web') ?? [];
    if (!web || healthOf(web) !== 'passing' || !services.has('api')) bad.push(services);
  });
  const afterwards = new PublishingMachine(testStore, cluster, machine('m1'));
  afterwards.present((await cluster.announce(machine('m1'), 'token of m1', before.announcement!.lease)) as never);
  await until('it is recalled', () => afterwards.local.instances().has('web-1'));
  afterwards.source.say([registration('web-1', { checks: [ttl], port: 81 })]);
  await until('it is known anew', () => catalog.snapshot.services.get('web')?.[0]?.port === 81);
  assert.deepEqual(bad, []);
  assert.ok(await afterwards.local.deregister('api-1'));
  await until('what was registered can be deregistered after a restart', () => !catalog.snapshot.services.has('api'));
});

test('names of nodes are fit for DNS and unique, and the machine that came first keeps its name', () => {
  const names = nodeNames([
    { id: 'b'.repeat(32), name: 'Web_1.example.com', createRevision: 9 },
    { id: 'a'.repeat(32), name: 'web-1', createRevision: 12 },
    { id: 'c'.repeat(32), createRevision: 3 },
    { id: 'd'.repeat(32), name: 'ホスト', createRevision: 4 },
  ]);
  assert.deepEqual(Object.fromEntries([...names].map(([id, name]) => [id[0], name])), {
    b: 'web-1',
    a: 'web-1-aaaaaaaa',
    c: 'm-cccccccc',
    d: 'm-dddddddd',
  });
});
