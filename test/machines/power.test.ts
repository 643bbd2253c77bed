import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AGENT_TTL_MS, Fleet, fleetProblem, mainPid } from './fleet.ts';
import type { Machine } from './machine.ts';
import { FLOTILLA, NODE } from './machine-set.ts';
import { ticking, ticksOf } from './ticks.ts';

const SLEEPS = '[Service]\nExecStart=/bin/sleep infinity\n';
const MANY = 500;

describe('machines go off and come back', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    // As a fresh install has it: long enough for an upgrade in place, whatever else the computer does.
    fleet = await Fleet.open({ machines: 3, settings: ['agent_ttl=10s'] });
    await fleet.start('hello.service', ticking());
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const allThere = () => fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
  const copies = async (unit: string) => {
    const running = fleet.machines.filter((machine) => machine.running);
    const states = await Promise.all(running.map((machine) => machine.exec(['systemctl', 'is-active', unit])));
    return running.filter((_, index) => states[index]!.stdout === 'active\n');
  };

  test('a machine is shut down: its units run elsewhere before its lease would have ended, and stay there', async () => {
    const [machine] = await fleet.active('hello.service');
    const goneAtMs = Date.now();
    await machine.powerOff();
    const [next] = await fleet.active('hello.service', (other) => other !== machine);
    const firstMs = ticksOf(next, 'hello.service').find((tick) => tick > goneAtMs)!;
    assert.ok(firstMs - goneAtMs < AGENT_TTL_MS, `it took ${firstMs - goneAtMs} ms`);
    const lastMs = ticksOf(machine, 'hello.service').at(-1)!;
    assert.ok(lastMs < firstMs, 'never on both');
    await machine.boot();
    await allThere();
    assert.deepEqual(await copies('hello.service'), [next]);
  });

  test('the power fails for a moment only: the unit is started again, once', async () => {
    const [machine] = await fleet.active('hello.service');
    await machine.kill();
    await machine.boot();
    const bootedAtMs = Date.now();
    const isUp = () => fleet.machines.some((each) => (ticksOf(each, 'hello.service').at(-1) ?? 0) > bootedAtMs);
    await fleet.until('hello.service ticks', async () => isUp());
    await fleet.active('hello.service');
    await allThere();
    await fleet.until('one copy', async () => (await copies('hello.service')).length === 1);
  });

  test('a new version of fleetd takes the place of the old one, and no unit notices', async () => {
    const [machine] = await fleet.active('hello.service');
    const [unit, daemon] = [await mainPid(machine, 'hello.service'), await mainPid(machine, 'fleetd.service')];
    const versionOf = async () =>
      ((await fleet.record(`cluster/machine/${machine.machineId}`))?.value as { version?: string } | undefined)
        ?.version;
    const old = await versionOf();
    const next = '/opt/next-fleetd.cjs';
    await machine.ok(
      'sh',
      '-c',
      `sed 's/version:"${old}"/version:"99.0.0"/' ${FLOTILLA}/dist/fleetd-main.cjs >${next}`,
    );
    await machine.ok('sh', '-c', `printf '#!/bin/sh\\nexec ${NODE} ${next} "$@"\\n' >/opt/bin/fleetd`);
    await machine.ok('systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'fleetd.service');
    await fleet.until('the new version', async () => (await versionOf()) === '99.0.0');
    assert.notEqual(await mainPid(machine, 'fleetd.service'), daemon);
    await allThere();
    assert.equal((await fleet.active('hello.service'))[0], machine);
    assert.equal(await mainPid(machine, 'hello.service'), unit);
  });

  test(`a machine with its share of ${MANY} units dies: those of the others are not touched, and all run again`, async () => {
    await fleet.submit('many@.service', SLEEPS);
    const names = Array.from({ length: MANY }, (_, index) => `many@${index + 1}.service`);
    await fleet.ok('start', '--no-block', ...names);
    const active = async () => {
      const rows = (await fleet.units()).filter(
        ({ name, systemdActiveState }) => name.startsWith('many@') && systemdActiveState === 'active',
      );
      return new Map(rows.map(({ name, machineID }) => [name, machineID]));
    };
    await fleet.until(`${MANY} units`, async () => (await active()).size === MANY, 60_000);
    const before = await active();
    const invocations = async (machine: Machine) =>
      new Set(
        (await machine.ok('systemctl', 'show', '--value', '--property=InvocationID', 'many@*'))
          .split(/\n+/)
          .filter(Boolean),
      );
    const [first, second, dying] = fleet.machines as [Machine, Machine, Machine];
    const kept = await Promise.all([first, second].map(invocations));
    const startedAt = performance.now();
    await dying.kill();
    await fleet.until(
      'all elsewhere',
      async () => {
        const now = await active();
        return now.size === MANY && [...now.values()].every((id) => id !== dying.machineId);
      },
      60_000,
    );
    console.log(`${MANY} units whole again after ${Math.round(performance.now() - startedAt)} ms`);
    const now = await active();
    for (const [name, id] of before) if (id !== dying.machineId) assert.equal(now.get(name), id, `${name} has moved`);
    for (const [index, machine] of [first, second].entries())
      assert.ok(kept[index]!.isSubsetOf(await invocations(machine)), `units of ${machine.name} were started again`);
    await dying.boot();
    await allThere();
    await fleet.ok('destroy', ...names);
    await fleet.until('none', async () => (await active()).size === 0);
  });
});
