import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';
import { root } from './machine-set.ts';
import { ticking, ticksOf } from './ticks.ts';

/** As units for fleet were written: nothing in it orders fleetd before the end of D-Bus. */
function unitWithoutBus(): string {
  const text = readFileSync(`${root}/init/fleetd.service`, 'utf8').replace(
    '/opt/flotilla/bin/fleetd\n',
    '/opt/bin/fleetd\n',
  );
  const without = text.replaceAll(' dbus.socket', '').replace(' dbus.service', '');
  assert.doesNotMatch(without, /dbus/);
  return without;
}

describe('a machine leaves though D-Bus is gone', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({
      machines: 3,
      // A machine that only stops keeping its lease alive is there for longer than any test waits.
      settings: ['agent_ttl=120s'],
      files: { 'etc/systemd/system/fleetd.service': unitWithoutBus() },
    });
    await fleet.start('hello.service', ticking());
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  /** Waits until it ticks on a machine that has none of these ticks yet. */
  const ticksElsewhere = async (machine: Machine): Promise<Machine> => {
    const lastMs = ticksOf(machine, 'hello.service').at(-1)!;
    const others = fleet.machines.filter((other) => other !== machine);
    const next = () => others.find((other) => (ticksOf(other, 'hello.service').at(-1) ?? 0) > lastMs);
    await fleet.until('it runs elsewhere', async () => next() !== undefined);
    return next()!;
  };

  test('fleetd is stopped after the bus, and then a machine is shut down: both have left by then', async () => {
    const [machine] = await fleet.active('hello.service');
    await machine.ok('systemctl', 'stop', 'dbus.socket', 'dbus.service');
    await machine.ok('systemctl', 'stop', 'fleet.socket', 'fleetd.service');
    assert.ok(!(await fleet.machineIds()).includes(machine.machineId), 'it is still there');
    const journal = await machine.ok('journalctl', '--no-pager', '-u', 'fleetd.service');
    assert.doesNotMatch(journal, /Not withdrawn cleanly/);
    assert.notEqual((await machine.exec(['systemctl', 'is-active', 'hello.service'])).status, 0);
    const next = await ticksElsewhere(machine);
    await next.powerOff();
    assert.ok(!(await fleet.machineIds()).includes(next.machineId), 'it is still there');
    await ticksElsewhere(next);
  });
});
