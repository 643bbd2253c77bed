import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Fleet, fleetProblem, mainPid } from './fleet.ts';
import type { Machine } from './machine.ts';

/** A service that is up only after a moment, so that whoever does not wait for it is seen to have been early. */
const slow = (unit: string, fleetSection = '') =>
  `[Unit]\n${unit}\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 0.3\n${fleetSection}`;
const beside = (name: string) => `[X-Fleet]\nMachineOf=${name}\n`;

// By name they stand in the wrong order, so that nothing but their dependencies can bring about the right one.
const CHAIN: Readonly<Record<string, string>> = {
  'd-app.service': slow(''),
  'c-log.service': slow('Requires=d-app.service\nAfter=d-app.service', beside('d-app.service')),
  'b-mail.service': slow('BindsTo=c-log.service\nAfter=c-log.service', beside('c-log.service')),
  'a-watch.service': slow('PartOf=d-app.service\nAfter=b-mail.service', beside('b-mail.service')),
};
const NAMES = Object.keys(CHAIN);

describe('units that follow one another', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({ machines: 3 });
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const allActive = async (accept: (machine: Machine) => boolean = () => true) => {
    const places = await Promise.all(NAMES.map((name) => fleet.active(name, accept)));
    const machines = new Set(places.map(([machine]) => machine));
    assert.equal(machines.size, 1, 'all on one machine');
    return places[0]![0];
  };

  const assertOrder = async (machine: Machine) => {
    const times = await Promise.all(
      NAMES.map(async (name) => {
        const properties = ['InactiveExitTimestampMonotonic', 'ActiveEnterTimestampMonotonic'];
        const out = await machine.ok('systemctl', 'show', ...properties.map((each) => `--property=${each}`), name);
        const timeOf = (property: string) => Number(new RegExp(`${property}=(\\d+)`).exec(out)?.[1]);
        return { name, begun: timeOf(properties[0]!), up: timeOf(properties[1]!) };
      }),
    );
    for (const [index, { name, begun }] of times.entries())
      if (index > 0)
        assert.ok(begun >= times[index - 1]!.up, `${name} was started before ${times[index - 1]!.name} was up`);
  };

  /** The revision of the store in which each was placed on that machine. */
  const revisions = (machine: Machine) =>
    Promise.all(
      NAMES.map(async (name) => (await fleet.record(`cluster/placement/${machine.machineId}/${name}`))?.revision),
    );

  test('started together they are on one machine, each after the one it needs', async () => {
    for (const [name, text] of Object.entries(CHAIN)) await fleet.submit(name, text);
    await fleet.ok('start', ...NAMES);
    await assertOrder(await allActive());
  });

  test('their machine dies, and they follow in one commit, in the order of their dependencies', async () => {
    const machine = await allActive();
    await machine.kill();
    const next = await allActive((other) => other !== machine);
    const placed = await revisions(next);
    assert.ok(placed[0] !== undefined);
    assert.deepEqual(new Set(placed).size, 1, `placed in revisions ${placed}`);
    await assertOrder(next);
    await machine.boot();
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    assert.equal(await allActive(), next);
  });

  test('the first of them moves for a reason of its own, and the others come along', async () => {
    const machine = await allActive();
    const index = fleet.machines.indexOf(machine);
    const elsewhere = [1, 2, 3]
      .filter((number) => number !== index + 1)
      .map((number) => `MachineMetadata=number=${number}`);
    await fleet.replace('d-app.service', `${CHAIN['d-app.service']}[X-Fleet]\n${elsewhere.join('\n')}\n`);
    const next = await allActive((other) => other !== machine);
    await assertOrder(next);
    assert.match((await machine.exec(['systemctl', 'is-active', ...NAMES])).stdout, /^(inactive\n){4}$/);
  });

  test('the first of them fails, and systemd ends what is bound to it', async () => {
    const machine = await allActive();
    await machine.ok('systemctl', 'stop', 'd-app.service');
    await fleet.until('all stopped', async () =>
      /^(inactive\n){4}$/.test((await machine.exec(['systemctl', 'is-active', ...NAMES])).stdout),
    );
    await machine.ok('systemctl', 'start', ...NAMES);
    assert.equal(await allActive(), machine);
  });

  test('the first of them is destroyed, and the others go with it', async () => {
    await fleet.ok('destroy', 'd-app.service');
    await fleet.until('nothing runs', async () => (await fleet.units()).length === 0);
    await fleet.destroy(...NAMES);
  });

  test('the sidekick gets another file, and the unit it follows does not notice', async () => {
    const runs = (unit: string, fleetSection = '') =>
      `[Unit]\n${unit}\n[Service]\nExecStart=/bin/sleep infinity\n${fleetSection}`;
    await fleet.submit('main.service', runs('Description=Main'));
    await fleet.submit('side.service', runs('Description=Side\nAfter=main.service', beside('main.service')));
    await fleet.ok('start', 'main.service', 'side.service');
    const [machine] = await fleet.active('side.service');
    const pid = await mainPid(machine, 'main.service');
    await fleet.replace('side.service', runs('Description=New', beside('main.service')));
    await fleet.until('the new one', async () =>
      (await machine.exec(['systemctl', 'show', '--property=Description,SubState', 'side.service'])).stdout.includes(
        'Description=New',
      ),
    );
    await fleet.active('side.service', (same) => same === machine);
    assert.equal(await mainPid(machine, 'main.service'), pid);
  });
});
