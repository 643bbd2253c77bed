import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explain, scheduleOnce } from './schedule-once.ts';
import { TestCluster } from './test-cluster.ts';

function cluster(...machines: string[]): TestCluster {
  const made = new TestCluster();
  for (const id of machines) made.machine(id);
  return made;
}

/** Returns each decision as `unit +machine -machine`. */
function told(result: ReturnType<TestCluster['run']>): string[] {
  return result.decisions.map(({ unit, writes }) =>
    [unit, ...writes.map((write) => ('put' in write ? `+${write.put.machine}` : `-${write.remove.machine}`))].join(' '),
  );
}

describe('placing', () => {
  test('spreads units over the machines with the fewest, ties by id', () => {
    const c = cluster('b', 'a', 'c');
    for (const n of [1, 2, 3, 4]) c.unit(`u${n}.service`);
    c.run();
    assert.deepEqual(c.where(), { 'u1.service': 'a', 'u2.service': 'b', 'u3.service': 'c', 'u4.service': 'a' });
  });

  test('leaves inactive units and templates alone', () => {
    const c = cluster('a');
    c.unit('off.service', {}, 'inactive');
    c.unit('t@.service');
    assert.deepEqual(told(c.run()), []);
  });

  test('gives the reason in words', () => {
    const c = cluster('a');
    c.unit('u.service', {}, 'loaded');
    const [decision] = c.run().decisions;
    assert.equal(decision!.reason, 'fewest units (0) of the machines that qualify');
    assert.deepEqual(c.placements.get('u.service')!.get('a'), {
      machine: 'a',
      unit: 'u.service',
      hash: c.units.get('u.service')!.hash,
      desired: 'loaded',
      reason: decision!.reason,
    });
  });

  test('tells the machine of a unit with RunOnce=true whether it is still to run', () => {
    const c = cluster('a');
    const once = () => c.placements.get('u.service')?.get('a')?.once;
    c.unit('u.service', { runOnce: true });
    c.run();
    assert.equal(once(), 'due');
    c.ran('u.service', 'a');
    assert.equal(c.run().decisions[0]!.reason, 'it has run once');
    assert.equal(once(), 'done');
    c.kill('a');
    c.machine('b');
    c.run();
    assert.equal(c.placements.get('u.service')?.get('b')?.once, 'done', 'it moves, and is not to run there');
    c.unit('u.service', { runOnce: true, conflicts: ['another.service'] });
    c.run();
    assert.equal(c.placements.get('u.service')?.get('b')?.once, 'due', 'another file has not run');
  });

  test('takes a MachineID as a whole or as the beginning of one id', () => {
    const c = cluster('ab1', 'ab2', 'abc');
    c.unit('whole.service', { machineId: 'ab2' });
    c.unit('prefix.service', { machineId: 'abc' });
    c.unit('many.service', { machineId: 'ab' });
    c.unit('none.service', { machineId: 'x' });
    const { pending } = c.run();
    assert.deepEqual(c.where(), { 'prefix.service': 'abc', 'whole.service': 'ab2' });
    assert.match(pending[0]!.because.get('ab1')!, /the beginning of more than one/);
    assert.match(pending[1]!.because.get('ab1')!, /MachineID=x is the beginning of no machine's id/);
    c.kill('ab1');
    c.kill('ab2');
    c.run();
    assert.equal(c.where()['many.service'], 'abc', 'the prefix has become unique');
  });

  test('ORs the values of a metadata key and ANDs the keys', () => {
    const c = new TestCluster();
    c.machine('a', { region: 'eu' });
    c.machine('b', { region: 'us', disk: 'ssd' });
    c.unit('u.service', { metadata: { region: ['eu', 'us'], disk: ['ssd'] } });
    c.unit('v.service', { metadata: { region: ['ap'] } });
    const { pending } = c.run();
    assert.deepEqual(c.where(), { 'u.service': 'b' });
    assert.deepEqual(Object.fromEntries(pending[0]!.because), {
      a: 'MachineMetadata asks for region=ap, the machine has region=eu',
      b: 'MachineMetadata asks for region=ap, the machine has region=us',
    });
  });

  test('keeps conflicting units apart, whichever of them says so', () => {
    const c = cluster('a', 'b');
    c.unit('app@1.service', { conflicts: ['app@*.service'] });
    c.unit('app@2.service', { conflicts: ['app@*.service'] });
    c.unit('app@3.service', { conflicts: ['app@*.service'] });
    c.unit('silent.service');
    c.unit('shy.service', { conflicts: ['silent.service', 'app@1.service'] });
    const { pending } = c.run();
    assert.deepEqual(c.where(), {
      'app@1.service': 'a',
      'app@2.service': 'b',
      'shy.service': 'b',
      'silent.service': 'a',
    });
    assert.deepEqual(
      pending.map(({ unit }) => unit),
      ['app@3.service'],
    );
    assert.equal(
      pending[0]!.because.get('a'),
      'conflicts with app@1.service, which is here (its own Conflicts=app@*.service)',
    );
    c.destroy('app@1.service');
    assert.deepEqual(told(c.run()), ['app@1.service -a', 'app@3.service +a']);
  });
});

describe('a placed unit', () => {
  test('stays when a machine joins, even one with the same MachineID prefix', () => {
    const c = cluster('a1');
    c.unit('u.service');
    c.unit('v.service', { machineId: 'a' });
    c.run();
    c.machine('a0');
    assert.deepEqual(told(c.run()), []);
  });

  test('moves in one decision when its machine is gone', () => {
    const c = cluster('a', 'b');
    c.unit('u.service');
    c.run();
    c.kill('a');
    const result = c.run();
    assert.deepEqual(told(result), ['u.service -a +b']);
    assert.equal(result.decisions[0]!.reason, 'the machine is gone; fewest units (0) of the machines that qualify');
  });

  test('stays on an awaited machine, where no other unit arrives', () => {
    const c = cluster('a');
    c.unit('u.service');
    c.run();
    c.miss('a');
    c.unit('v.service');
    const { decisions, pending } = c.run();
    assert.deepEqual(decisions, []);
    assert.equal(pending[0]!.because.get('a'), 'the machine is away and given time to come back');
    c.unit('u.service', {}, 'loaded');
    assert.deepEqual(told(c.run()), ['u.service +a'], 'it is still brought up to date');
    c.machine('a');
    assert.deepEqual(told(c.run()), ['v.service +a']);
  });

  test('is updated in place when its file or its desired state changes', () => {
    const c = cluster('a', 'b');
    c.unit('u.service');
    c.run();
    c.set({ ...c.units.get('u.service')!, hash: 'new' });
    assert.deepEqual(c.run().decisions[0]!.reason, 'its unit file changed');
    c.set({ ...c.units.get('u.service')!, desired: 'loaded' });
    assert.deepEqual(c.run().decisions[0]!.reason, 'its desired state is now loaded');
    assert.deepEqual(c.where(), { 'u.service': 'a' });
  });

  test('is removed when it is made inactive and when it is destroyed', () => {
    const c = cluster('a');
    c.unit('u.service');
    c.unit('v.service');
    c.run();
    c.unit('u.service', {}, 'inactive');
    c.destroy('v.service');
    assert.deepEqual(told(c.run()), ['u.service -a', 'v.service -a']);
  });

  test('moves when the metadata it needs changes', () => {
    const c = new TestCluster();
    c.machine('a', { disk: 'ssd' });
    c.unit('u.service', { metadata: { disk: ['ssd'] } });
    c.run();
    c.machine('b', { disk: 'ssd' });
    c.machine('a', { disk: 'hdd' });
    const result = c.run();
    assert.deepEqual(told(result), ['u.service -a +b']);
    assert.match(result.decisions[0]!.reason, /^MachineMetadata asks for disk=ssd, the machine has disk=hdd; /);
  });

  test('whose file brings a conflict moves, not the one it conflicts with', () => {
    const c = cluster('a', 'b');
    c.unit('a.service');
    c.unit('x.service');
    c.unit('z.service');
    c.run();
    assert.equal(c.where()['z.service'], 'a');
    c.unit('a.service', { conflicts: ['z.service'] });
    assert.deepEqual(told(c.run()), ['a.service -a +b']);
  });
});

describe('MachineOf', () => {
  test('brings a chain together, whatever the order of submission, and moves it as one group', () => {
    const c = new TestCluster();
    c.unit('c.service', { machineOf: ['b.service'] });
    c.unit('b.service', { machineOf: ['a.service'] });
    c.run();
    c.machine('m1');
    c.machine('m2');
    assert.deepEqual(told(c.run()), []);
    c.unit('a.service');
    assert.deepEqual(told(c.run()), ['a.service +m1', 'b.service +m1', 'c.service +m1']);
    c.kill('m1');
    const { decisions } = c.run();
    assert.deepEqual(
      decisions.map(({ unit, group }) => [unit, group]),
      [
        ['a.service', 0],
        ['b.service', 0],
        ['c.service', 0],
      ],
    );
    assert.deepEqual(c.where(), { 'a.service': 'm2', 'b.service': 'm2', 'c.service': 'm2' });
  });

  test('unschedules the followers of a unit that is destroyed', () => {
    const c = cluster('m1');
    c.unit('a.service');
    c.unit('b.service', { machineOf: ['a.service'] });
    c.run();
    c.destroy('a.service');
    const { pending } = c.run();
    assert.deepEqual(c.where(), {});
    assert.equal(pending[0]!.because.get('m1'), 'MachineOf=a.service: there is no such unit');
  });

  test('leaves a unit pending while the units that it follows are on different machines', () => {
    const c = cluster('m1', 'm2');
    c.unit('a.service');
    c.unit('b.service');
    c.unit('c.service', { machineOf: ['a.service', 'b.service'] });
    assert.deepEqual(
      c.run().pending.map(({ unit }) => unit),
      ['c.service'],
    );
  });

  test('places units that name each other together, where all of them fit, or not at all', () => {
    const c = new TestCluster();
    c.machine('m1', { disk: 'hdd' });
    c.machine('m2', { disk: 'ssd' });
    c.unit('a.service', { machineOf: ['b.service'] });
    c.run();
    assert.deepEqual(c.where(), {});
    c.unit('b.service', { machineOf: ['a.service'], metadata: { disk: ['ssd'] } });
    c.run();
    assert.deepEqual(c.where(), { 'a.service': 'm2', 'b.service': 'm2' });
    c.unit('b.service', { machineOf: ['a.service'] }, 'inactive');
    const { pending } = c.run();
    assert.deepEqual(c.where(), {});
    assert.equal(pending[0]!.because.get('m1'), 'MachineOf places it together with b.service, which is not to run');
  });

  test('follows a global unit to any machine that has it', () => {
    const c = new TestCluster();
    c.machine('m1');
    c.machine('m2', { disk: 'ssd' });
    c.unit('g.service', { global: true, metadata: { disk: ['ssd'] } });
    c.unit('f.service', { machineOf: ['g.service'] });
    c.run();
    assert.deepEqual(c.where(), { 'f.service': 'm2', 'g.service': 'm2' });
  });
});

describe('global units', () => {
  test('run on every machine that qualifies, also on one that joins', () => {
    const c = new TestCluster();
    c.machine('m1', { disk: 'ssd' });
    c.machine('m2');
    c.unit('g.service', { global: true, metadata: { disk: ['ssd'] } });
    c.run();
    c.machine('m3', { disk: 'ssd' });
    c.run();
    assert.deepEqual(c.where(), { 'g.service': 'm1 m3' });
    c.machine('m1', { disk: 'hdd' });
    assert.deepEqual(told(c.run()), ['g.service -m1']);
  });

  test('conflict like any other unit', () => {
    const c = cluster('m1', 'm2');
    c.unit('a.service');
    c.run();
    c.unit('g.service', { global: true, conflicts: ['a.service'] });
    c.run();
    assert.deepEqual(c.where(), { 'a.service': 'm1', 'g.service': 'm2' });
    c.unit('a.service', {}, 'inactive');
    c.run();
    assert.deepEqual(c.where(), { 'g.service': 'm1 m2' });
  });
});

describe('Replaces', () => {
  test('takes over the machine of the replaced unit, which moves, in one group', () => {
    const c = cluster('m1', 'm2');
    c.unit('old.service');
    c.run();
    c.unit('new.service', { replaces: ['old.service'] });
    const { decisions } = c.run();
    assert.deepEqual(told({ decisions, pending: [] }), ['old.service -m1', 'new.service +m1', 'old.service +m2']);
    assert.equal(new Set(decisions.map(({ group }) => group)).size, 1);
    assert.equal(decisions[0]!.reason, 'new.service replaces it');
    assert.equal(decisions[1]!.reason, 'takes over from old.service (Replaces)');
  });

  test('leaves the replaced unit pending when there is no other machine', () => {
    const c = cluster('m1');
    c.unit('old.service');
    c.run();
    c.unit('new.service', { replaces: ['old.service'] });
    const { pending } = c.run();
    assert.deepEqual(c.where(), { 'new.service': 'm1' });
    assert.equal(pending[0]!.because.get('m1'), 'new.service, which is here, replaces it');
  });

  test('runs only one of two that replace each other', () => {
    const c = cluster('m1', 'm2');
    c.unit('a.service', { replaces: ['b.service'] });
    c.unit('b.service', { replaces: ['a.service'] });
    const { pending } = c.run();
    assert.deepEqual(c.where(), { 'a.service': 'm1' });
    assert.match(pending[0]!.because.get('m2')!, /replace each other, so only one of them runs, and a.service does/);
    c.destroy('a.service');
    c.run();
    assert.deepEqual(Object.keys(c.where()), ['b.service']);
  });

  test('places a unit on its own machine as soon as the other that replaces it stops', () => {
    const c = new TestCluster();
    c.machine('m1');
    c.machine('m2', { disk: 'ssd' });
    c.unit('a.service', { replaces: ['b.service'] });
    c.unit('b.service', { replaces: ['a.service'], metadata: { disk: ['ssd'] } });
    c.run();
    assert.deepEqual(c.where(), { 'a.service': 'm1' });
    c.unit('a.service', { replaces: ['b.service'] }, 'inactive');
    assert.deepEqual(told(c.run()), ['a.service -m1', 'b.service +m2']);
  });

  test('comes to rest when units replace each other in a circle', () => {
    const c = cluster('m1', 'm2');
    c.unit('a.service', { replaces: ['b.service'] });
    c.unit('b.service', { replaces: ['c.service'] });
    c.unit('c.service', { replaces: ['a.service'] });
    c.run();
    assert.deepEqual(c.where(), { 'a.service': 'm1', 'b.service': 'm2' });
  });
});

describe('explain', () => {
  test('returns for every machine whether it could have the unit', () => {
    const c = cluster('m1', 'm2');
    c.unit('a.service', { conflicts: ['b.service'] });
    c.unit('b.service', {}, 'inactive');
    c.run();
    assert.deepEqual(explain(c, 'b.service'), [
      {
        machineId: 'm1',
        reason: 'conflicts with a.service, which is here (Conflicts=b.service of a.service)',
        units: 1,
      },
      { machineId: 'm2', reason: undefined, units: 0 },
    ]);
    assert.deepEqual(explain(c, 'a.service')[0], { machineId: 'm1', reason: undefined, units: 1 });
    assert.deepEqual(explain(c, 'none.service'), []);
  });
});

test('the placement of a unit that does not exist is removed', () => {
  const c = cluster('m1');
  c.unit('u.service');
  c.place('u.service', 'm1');
  c.units.delete('u.service');
  const { decisions } = scheduleOnce(c);
  assert.deepEqual(decisions[0]!.writes, [{ remove: { machine: 'm1', unit: 'u.service' } }]);
  assert.equal(decisions[0]!.reason, 'the unit was destroyed');
});

test('a chain of 20,000 followers, 2,000 followers of one unit and 2,000 units in conflict are scheduled', () => {
  const c = cluster('m1', 'm2', 'm3');
  for (let n = 1; n < 20_000; n++) c.unit(`chain${n}.service`, { machineOf: [`chain${n - 1}.service`] });
  for (let n = 0; n < 2000; n++) c.unit(`crowd${n}.service`, { machineOf: ['chain0.service'] });
  for (let n = 0; n < 2000; n++) c.unit(`lone@${n}.service`, { conflicts: ['lone@*.service'] });
  c.run();
  c.unit('chain0.service');
  c.run();
  assert.equal(new Set(Object.entries(c.where()).flatMap(([u, m]) => (u.startsWith('lone') ? [] : [m]))).size, 1);
  c.kill(c.where()['chain0.service']!);
  const { pending } = c.run();
  assert.equal(pending.length, 2000 - 2);
});
