/** A machine that was absent for longer than its lease comes back and runs what runs elsewhere by now. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { isAlive, type LabMachine } from './lab-fixture.ts';
import { SteadyLab } from './steady-lab.ts';

const lab = new SteadyLab();
before(async () => lab.up('--agent-ttl', '3s'));
after(() => lab.dispose());

/** The processes of an instance that have ever run, first by when they were started. */
function processes(instance: string): readonly number[] {
  const files = readdirSync(lab.folder).filter((name) => name.startsWith(`ran-${instance}-`));
  return files.map((name) => Number(name.split('-')[2]));
}

async function onMachine(number: number): Promise<{ readonly unit: string; readonly machine: LabMachine }> {
  for (const instance of ['1', '2', '3']) {
    const machine = await lab.whereActive(`web@${instance}.service`);
    if (machine?.number === number) return { unit: `web@${instance}.service`, machine };
  }
  throw new Error(`nothing runs on machine ${number}`);
}

test('a second copy stops without waiting for the drain time, in which nobody would use it', async () => {
  const text = [
    '[Service]',
    `ExecStart=/bin/sh -c 'touch ${lab.folder}/ran-%i-$$$$; exec sleep 10000'`,
    '[X-Service]',
    'Name=web',
    'Port=80%i',
    'Drain=10m',
    '',
  ];
  lab.write('web@.service', text.join('\n'));
  await lab.ok('start', ...['1', '2', '3'].map((instance) => `${lab.folder}/web@${instance}.service`));
  const { unit, machine } = await onMachine(3);
  const instance = unit.slice('web@'.length, -'.service'.length);
  const [first, ...more] = processes(instance);
  assert.deepEqual(more, []);
  process.kill(machine.pid!, 'SIGSTOP');
  try {
    await until('it runs elsewhere', async () => ((await lab.whereActive(unit))?.number ?? 3) !== 3);
    assert.ok(isAlive(first!), 'its first copy runs on');
  } finally {
    process.kill(machine.pid!, 'SIGCONT');
  }
  await until('the second copy is gone', () => !isAlive(first!));
  const [next] = processes(instance).filter((pid) => pid !== first);
  assert.ok(isAlive(next!), 'the other one runs on');
});
