/** What a unit that has ended does when its machine is gone: it runs again, or with RunOnce=true never. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';

import { SteadyLab } from './steady-lab.ts';

const lab = new SteadyLab();
before(async () => lab.up('--agent-ttl', '2s'));
after(() => lab.dispose());

interface Summary {
  readonly name: string;
  readonly currentState: string;
  readonly ran?: { readonly machineID: string };
  readonly placements: readonly { readonly machineID: string; readonly status?: { readonly active: string } }[];
}

/** A oneshot that leaves a file for each of its runs. */
function oneshot(name: string, lines = '', fleet = ''): string {
  const command = `/bin/sh -c 'sleep 0.3; touch ${lab.folder}/${name}-$$$$'`;
  return lab.write(`${name}.service`, `[Service]\nType=oneshot\nExecStart=${command}\n${lines}\n[X-Fleet]\n${fleet}\n`);
}

const runs = (name: string) => readdirSync(lab.folder).filter((file) => file.startsWith(`${name}-`)).length;

async function summary(name: string): Promise<Summary> {
  const units = JSON.parse(await lab.ok('list-unit-files', '-o', 'json')) as Summary[];
  return units.find((unit) => unit.name === `${name}.service`)!;
}

/** Takes the power from the machine on which the unit is, and waits until it is placed on another one. */
async function loseMachineOf(name: string): Promise<void> {
  const [{ machineID }] = (await summary(name)).placements as [Summary['placements'][0]];
  const machine = (await lab.machines()).find(({ id }) => id === machineID)!;
  await lab.ok('lab', 'kill', String(machine.number));
  await until(`${name} is elsewhere`, async () => {
    const [placement] = (await summary(name)).placements;
    return placement?.status !== undefined && placement.machineID !== machineID;
  });
  await lab.ok('lab', 'revive', String(machine.number));
}

test('a oneshot runs again elsewhere when its machine is gone', async () => {
  await lab.ok('start', oneshot('again'));
  await until('it has run', () => runs('again') === 1);
  await loseMachineOf('again');
  await until('it has run twice', () => runs('again') === 2);
});

for (const [name, lines, state] of [
  ['once', '', 'loaded'],
  ['stays', 'RemainAfterExit=yes', 'launched'],
] as const) {
  test(`with RunOnce=true it does not, until its user starts it (${name})`, async () => {
    const file = oneshot(name, lines, 'RunOnce=true');
    assert.match(await lab.ok('start', file), new RegExp(`^Unit ${name}.service launched on `));
    await until('it has run', async () => (await summary(name)).ran !== undefined);
    await until(`it is ${state}`, async () => (await summary(name)).currentState === state);
    await loseMachineOf(name);
    await until('it is loaded', async () => (await summary(name)).currentState === 'loaded');
    assert.match(
      await lab.ok('why', name),
      /it ran once to success on .* \(RunOnce\); to run it again: fleetctl start/,
    );
    assert.match(await lab.ok('events', '--unit', name), /ran once to success and is not started again/);
    assert.equal(runs(name), 1);
    await lab.ok('start', name);
    await until('it has run for the second time', () => runs(name) === 2);
    await until('that is known', async () => (await summary(name)).ran !== undefined);
    await lab.ok('restart', name);
    await until('it has run for the third time', () => runs(name) === 3);
    await lab.ok('destroy', name);
    await lab.ok('start', file);
    await until('it has run as a new unit', () => runs(name) === 4);
  });
}

test('one that fails is not done, and runs again when its machine is gone', async () => {
  const text = oneshot('fails', 'ExecStart=/bin/false', 'RunOnce=true');
  assert.equal((await lab.run('start', text)).status, 1);
  await loseMachineOf('fails');
  await until('it has run twice', () => runs('fails') === 2);
  assert.equal((await summary('fails')).ran, undefined);
});

test('RunOnce=true together with Global=true is refused', async () => {
  await lab.refused(
    ['submit', oneshot('every', '', 'RunOnce=true\nGlobal=true')],
    1,
    /RunOnce cannot be combined with Global/,
  );
});
