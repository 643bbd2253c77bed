import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Fleet, fleetProblem, mainPid } from './fleet.ts';
import type { Machine } from './machine.ts';
import { ticking, ticksOf } from './ticks.ts';

const YIELDS = 'yields.service';

/** What happens to a machine whose fleetd cannot stop a unit with OnPartition=stop itself. */
const WAYS: readonly (readonly [
  what: string,
  harm: (machine: Machine) => Promise<unknown>,
  mend: (machine: Machine) => Promise<unknown>,
])[] = [
  [
    'fleetd dies and starts again while its machine is cut off',
    async (machine) => {
      await machine.cut();
      await machine.ok('systemctl', 'kill', '--signal=KILL', 'fleetd.service');
    },
    (machine) => machine.heal(),
  ],
  [
    'fleetd hangs',
    async (machine) => machine.ok('kill', '-STOP', String(await mainPid(machine, 'fleetd.service'))),
    async (machine) => machine.ok('kill', '-CONT', String(await mainPid(machine, 'fleetd.service'))),
  ],
  [
    'fleetd dies and cannot start again',
    async (machine) => {
      await machine.ok('mv', '/opt/bin/fleetd', '/opt/bin/fleetd.away');
      await machine.ok('systemctl', 'kill', '--signal=KILL', 'fleetd.service');
    },
    (machine) => machine.ok('mv', '/opt/bin/fleetd.away', '/opt/bin/fleetd'),
  ],
];

/** A unit that takes no notice of being told to stop. */
const STUBBORN = ticking('TimeoutStopSec=60\nKillSignal=SIGCONT\n[X-Fleet]\nOnPartition=stop\n');

describe('a unit with OnPartition=stop runs only once', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    // Longer than usual: fleetd has half of it to come back.
    fleet = await Fleet.open({ machines: 3, settings: ['agent_ttl=9s'] });
    await fleet.start(YIELDS, STUBBORN);
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  for (const [what, harm, mend] of WAYS) {
    test(`although ${what}`, async () => {
      const [machine] = await fleet.active(YIELDS);
      const others = fleet.machines.filter((other) => other !== machine);
      const sinceMs = Date.now();
      await harm(machine);
      const next = () => others.find((other) => (ticksOf(other, YIELDS).at(-1) ?? 0) > sinceMs);
      await fleet.until('it runs elsewhere', async () => next() !== undefined);
      const firstMs = ticksOf(next()!, YIELDS).find((tick) => tick > sinceMs)!;
      const lastMs = ticksOf(machine, YIELDS).at(-1)!;
      console.log(`${what}: over ${Math.round(firstMs - lastMs)} ms before it runs elsewhere`);
      assert.ok(lastMs < firstMs, `it ran twice for ${lastMs - firstMs} ms`);
      await mend(machine);
      await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
      const running = async () => {
        const all = fleet.machines.map((each) => each.exec(['systemctl', 'is-active', YIELDS]));
        return (await Promise.all(all)).flatMap(({ status }, index) => (status === 0 ? [fleet.machines[index]!] : []));
      };
      await fleet.until('one copy', async () => {
        const [one, ...more] = await running();
        return one === next() && more.length === 0;
      });
    });
  }

  test('fleetd dies, and is back in time: nothing is stopped', async () => {
    const [machine] = await fleet.active(YIELDS);
    const pid = await mainPid(machine, YIELDS);
    await machine.ok('systemctl', 'kill', '--signal=KILL', 'fleetd.service');
    await fleet.until('it is back', async () => (await fleet.machineIds()).length === 3);
    await fleet.until('the promise is renewed', async () => {
      const [, , guard] = (await machine.ok('cat', '/var/lib/fleet/stop-promise')).split(' ');
      const [uptime] = (await machine.ok('cat', '/proc/uptime')).split(' ');
      return Number(guard) / 100 - Number(uptime) > 1;
    });
    assert.equal(await mainPid(machine, YIELDS), pid);
    await fleet.ok('destroy', YIELDS);
    await fleet.until('nothing is promised any more', async () => {
      const { status } = await machine.exec(['test', '-e', '/var/lib/fleet/stop-promise']);
      const guard = await machine.exec(['systemctl', 'is-active', 'fleetd-guard.service']);
      return status !== 0 && guard.status !== 0;
    });
  });
});
