import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';

const RUNS = '[Service]\nExecStart=/bin/sleep infinity\n';
const wants = (...options: readonly string[]) => `${RUNS}[X-Fleet]\n${options.join('\n')}\n`;

describe('where units go on three machines', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({ machines: 3 });
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const setMetadata = async (machine: Machine, op: 'add' | 'replace' | 'remove', key: string, value?: string) => {
    const change = { op, path: `/${machine.machineId}/metadata/${key}`, ...(value === undefined ? {} : { value }) };
    assert.equal(await fleet.request(fleet.machines[0]!, 'PATCH', '/machines', [change]), 204);
  };
  const rowOf = async (unit: string) =>
    (await fleet.ok('list-unit-files', '--no-legend', '--fields', 'unit,dstate,state,target'))
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .find(([name]) => name === unit);

  test('a unit moves when the metadata of its machine is changed over the API', async () => {
    const [, second, third] = fleet.machines as [Machine, Machine, Machine];
    await fleet.submit('blue.service', wants('MachineMetadata=color=blue'));
    await fleet.ok('start', '--no-block', 'blue.service');
    assert.deepEqual((await rowOf('blue.service'))?.slice(1), ['launched', 'inactive', '-']);
    await setMetadata(second, 'add', 'color', 'blue');
    await fleet.active('blue.service', (machine) => machine === second);
    await setMetadata(third, 'add', 'color', 'blue');
    await setMetadata(second, 'replace', 'color', 'red');
    await fleet.active('blue.service', (machine) => machine === third);
    assert.equal((await second.exec(['systemctl', 'is-active', 'blue.service'])).stdout, 'inactive\n');
    await setMetadata(third, 'remove', 'color');
    await fleet.until('blue.service nowhere', async () => (await fleet.units()).length === 0);
    assert.deepEqual((await rowOf('blue.service'))?.slice(1), ['launched', 'inactive', '-']);
  });

  test('and when it is changed in fleet.conf', async () => {
    const [first] = fleet.machines as [Machine];
    const reload = async (from: string, to: string) => {
      await first.ok('sed', '-i', `s/^metadata=${from}$/metadata=${to}/`, '/etc/fleet/fleet.conf');
      await first.ok('systemctl', 'kill', '--kill-whom=main', '--signal=HUP', 'fleetd.service');
    };
    await reload('number=1', 'number=1,color=blue');
    await fleet.active('blue.service', (machine) => machine === first);
    await reload('number=1,color=blue', 'number=1');
    await fleet.until('blue.service nowhere', async () => (await fleet.units()).length === 0);
    await fleet.destroy('blue.service');
  });

  test('instances of a template go to the machines whose metadata their names ask for', async () => {
    await fleet.submit('numbered@.service', wants('MachineMetadata=number=%i', 'Conflicts=%p@*.service'));
    const instances = [1, 2, 3].map((number) => `numbered@${number}.service`);
    await fleet.ok('start', ...instances);
    for (const [index, name] of instances.entries())
      await fleet.active(name, (machine) => machine === fleet.machines[index]);
    await fleet.destroy(...instances, 'numbered@.service');
  });

  test('units that conflict are never together, whichever of them says so and whichever comes first', async () => {
    const shy = wants('Conflicts=plain*.service');
    for (const [firstName, secondName] of [
      ['plain.service', 'shy.service'],
      ['shy.service', 'plain.service'],
    ] as const) {
      const textOf = (name: string) => (name === 'shy.service' ? shy : RUNS);
      await fleet.start(firstName, textOf(firstName));
      const [machine] = await fleet.active(firstName);
      // The others are busier, so that this machine would be chosen.
      const others = fleet.machines.filter((other) => other !== machine);
      const busy = others.flatMap((_, index) => [`busy@${index * 2}.service`, `busy@${index * 2 + 1}.service`]);
      for (const [index, name] of busy.entries())
        await fleet.submit(name, wants(`MachineID=${others[Math.floor(index / 2)]!.machineId}`));
      await fleet.ok('start', ...busy);
      await fleet.start(secondName, textOf(secondName));
      const [other] = await fleet.active(secondName);
      assert.notEqual(other, machine);
      await fleet.destroy(firstName, secondName, ...busy);
    }
  });

  test('as many of a kind as there are machines, and the next waits', async () => {
    await fleet.submit('alone@.service', wants('Conflicts=alone@*.service'));
    await fleet.ok('start', 'alone@1', 'alone@2', 'alone@3');
    await fleet.ok('start', '--no-block', 'alone@4');
    const places = await Promise.all([1, 2, 3].map((number) => fleet.active(`alone@${number}.service`)));
    assert.equal(new Set(places.map(([machine]) => machine)).size, 3);
    assert.match(await fleet.ok('why', 'alone@4'), /conflict/i);
    await fleet.ok('destroy', 'alone@2');
    await fleet.active('alone@4.service', (machine) => machine === places[1]![0]);
    await fleet.destroy('alone@1.service', 'alone@3.service', 'alone@4.service', 'alone@.service');
  });

  test('a unit takes the machine of the one it replaces, which moves elsewhere', async () => {
    await fleet.start('old.service', RUNS);
    const [machine] = await fleet.active('old.service');
    await fleet.start('new.service', wants('Replaces=old.service'));
    await fleet.active('new.service', (taken) => taken === machine);
    await fleet.active('old.service', (other) => other !== machine);
    assert.equal((await machine.exec(['systemctl', 'is-active', 'old.service'])).stdout, 'inactive\n');
    await fleet.destroy('old.service', 'new.service');
  });

  test('of two that replace each other only one runs', async () => {
    await fleet.start('hen.service', wants('Replaces=egg.service'));
    await fleet.active('hen.service');
    await fleet.submit('egg.service', wants('Replaces=hen.service'));
    await fleet.ok('start', '--no-block', 'egg.service');
    await fleet.start('later.service', RUNS);
    await fleet.active('later.service');
    const rows = await fleet.units();
    assert.deepEqual(rows.map(({ name }) => name).sort(), ['hen.service', 'later.service']);
    await fleet.destroy('hen.service', 'egg.service', 'later.service');
  });

  test('global units come to a machine that joins later, where its metadata says so, and go when that changes', async () => {
    await fleet.start('everywhere.service', wants('Global=true'));
    await fleet.start('some.service', wants('Global=true', 'MachineMetadata=number=4'));
    const activeOn = async (unit: string) => {
      const rows = (await fleet.units()).filter((row) => row.name === unit && row.systemdActiveState === 'active');
      return rows
        .map(({ machineID }) => fleet.machines.findIndex(({ machineId }) => machineId === machineID) + 1)
        .sort();
    };
    await fleet.until('three copies', async () => (await activeOn('everywhere.service')).length === 3);
    assert.deepEqual(await activeOn('some.service'), []);
    const fourth = await fleet.create();
    await fourth.boot();
    await fleet.until('both', async () => (await activeOn('some.service')).length === 1);
    await fleet.until('four copies', async () => (await activeOn('everywhere.service')).length === 4);
    assert.deepEqual(await activeOn('some.service'), [4]);
    await setMetadata(fourth, 'replace', 'number', '5');
    await fleet.until('only where it belongs', async () => (await activeOn('some.service')).length === 0);
    assert.equal((await fourth.exec(['systemctl', 'is-active', 'some.service'])).stdout, 'inactive\n');
    assert.equal((await activeOn('everywhere.service')).length, 4);
  });
});
