import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock as clock } from '../lib/index.ts';
import { until } from '../lib/test-until.ts';
import { openCatalog } from './index.ts';
import { machine, openTestStore, PublishingMachine, registration } from './test-services.ts';

const testStore = await openTestStore();

async function present() {
  const cluster = testStore.newCluster();
  const catalog = openCatalog({ ...testStore.options, cluster });
  const one = new PublishingMachine(testStore, cluster, machine('m1'));
  await one.join();
  const has = (service: string) => catalog.snapshot.services.has(service);
  return { cluster, catalog, one, has };
}

test('a unit to be stopped runs on after its services have left, for drain_time or as long as they ask', async () => {
  const { one, has } = await present();
  one.containers.set('box', 'c.service');
  one.source.say([
    registration('a', { name: 'a', unit: 'a.service' }),
    registration('b', { name: 'b', unit: 'b.service', drainMs: 0 }),
    registration('c', { name: 'c', container: 'box' }),
  ]);
  await until('all are there', () => has('a') && has('b') && has('c'));
  assert.equal(one.local.leave('none.service'), 0);
  assert.equal(one.local.leave('b.service'), 0);
  const beganMs = clock.monotonic();
  assert.ok(one.local.leave('a.service') > 0);
  assert.ok(one.local.leave('c.service') > 0);
  await until('all have left', () => !has('a') && !has('b') && !has('c'));
  await until('they may be stopped', () => one.local.leave('a.service') === 0 && one.local.leave('c.service') === 0);
  assert.ok(clock.monotonic() - beganMs >= 300);
  one.local.stay('a.service');
  await until('the one that goes on is back', () => has('a'));
  assert.ok(!has('c'));
});

test('a machine that is not present stops its units too', async () => {
  const { one, has } = await present();
  one.source.say([registration('a', { name: 'a', unit: 'a.service' })]);
  await until('it is there', () => has('a'));
  one.present(undefined);
  assert.ok(one.local.leave('a.service') > 0);
  await until('it may be stopped', () => one.local.leave('a.service') === 0);
});

test('all instances leave the catalog with fleetd, in one commit', async () => {
  const { one, has, catalog } = await present();
  one.source.say([registration('a', { name: 'a' }), registration('b', { name: 'b', drainMs: 700 })]);
  await until('both are there', () => has('a') && has('b'));
  assert.equal(one.local.leaveAll(), 700);
  const revision = await testStore.store.revision();
  one.stop();
  await one.publisher.withdraw();
  assert.equal(await testStore.store.revision(), revision + 1);
  await catalog.sync();
  assert.equal(catalog.snapshot.services.size, 0);
});

test('all instances leave a machine that is about to shut down, and return when it does not', async () => {
  const { one, has, cluster, catalog } = await present();
  one.source.say([registration('a', { name: 'a' }), registration('b', { name: 'b', drainMs: 700 })]);
  await until('both are there', () => has('a') && has('b'));
  assert.equal(one.local.leaveAll(), 700);
  await one.local.allLeft();
  await catalog.sync();
  assert.ok(!has('a') && !has('b'));
  assert.equal((await cluster.instancesOf(one.announcement!)).size, 0);
  assert.equal(one.local.leaveAll(), 0, 'fleetd is stopped then, and there is nothing to wait for any more');
  one.local.stayAll();
  await until('both are back', () => has('a') && has('b'));
});

test('a machine without instances in the catalog shuts down without waiting for the store', {
  timeout: 20_000,
}, async () => {
  const { one, has } = await present();
  one.source.say([registration('a', { name: 'a' })]);
  await until('it is there', () => has('a'));
  one.source.say([]);
  await until('it is gone', () => !has('a'));
  one.stop();
  await one.publisher.withdraw();
  // Nothing is published from here on, as without a store.
  assert.equal(one.local.leaveAll(), 0);
  await one.local.allLeft();
});
