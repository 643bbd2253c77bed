/** A unit with OnPartition=stop never runs twice, although the fleetd of its machine cannot stop it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import type { LabMachine } from './lab-fixture.ts';
import { SteadyLab } from './steady-lab.ts';

const lab = new SteadyLab();
before(async () => {
  await lab.up('--agent-ttl', '5s');
  const folder = lab.folder;
  // It writes down when it ran.
  const script = 'while :; do date +%%s%%N; sleep 0.05; done';
  const text = [
    '[Service]',
    'Restart=always',
    `ExecStart=/bin/sh -c 'exec >>${folder}/ticks-$$$$; ${script}'`,
    '[X-Fleet]',
    'OnPartition=stop',
    '',
  ];
  await lab.ok('start', lab.write('yields.service', text.join('\n')));
});
after(() => lab.dispose());

/** When each copy of the unit has run, in milliseconds since 1970, by the pid of its process. */
function copies(): ReadonlyMap<number, readonly number[]> {
  const files = readdirSync(lab.folder).filter((name) => name.startsWith('ticks-'));
  return new Map(
    files.map((name) => {
      // The last line may still be under way.
      const lines = readFileSync(path.join(lab.folder, name), 'utf8').split('\n').slice(0, -1);
      return [Number(name.slice('ticks-'.length)), lines.map((line) => Number(line) / 1e6)];
    }),
  );
}

async function machineOfUnit(): Promise<LabMachine> {
  return until('it runs', () => lab.whereActive('yields.service'));
}

function supervisorOf({ directory }: LabMachine): number {
  const file = path.join(directory, 'state/supervisor/supervisor.pid');
  return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid;
}

/** Does harm to the machine of the unit, and waits until the unit runs on another one. */
async function ranOnceDespite(harm: (machine: LabMachine) => Promise<unknown> | unknown): Promise<LabMachine> {
  const machine = await machineOfUnit();
  const known = new Set(copies().keys());
  await harm(machine);
  // For a while, in which the first copy would have been seen to run on.
  const next = () => [...copies()].find(([pid, ticks]) => !known.has(pid) && ticks.length > 10);
  const [nextPid, [firstMs]] = await until('it runs elsewhere', () => next() as [number, [number]] | undefined);
  const others = [...copies()].filter(([pid]) => pid !== nextPid).flatMap(([, ticks]) => ticks);
  const lastMs = Math.max(...others);
  console.log(`over ${Math.round(firstMs - lastMs)} ms before it ran elsewhere`);
  assert.ok(lastMs < firstMs, `it ran twice for ${Math.round(lastMs - firstMs)} ms`);
  return machine;
}

test('although fleetd hangs', async () => {
  const { pid } = await ranOnceDespite(({ pid: fleetd }) => process.kill(fleetd!, 'SIGSTOP'));
  process.kill(pid!, 'SIGCONT');
});

test('although its supervisor was killed, and fleetd hangs afterwards', async () => {
  const { pid } = await ranOnceDespite(async (machine) => {
    const supervisor = supervisorOf(machine);
    process.kill(supervisor, 'SIGKILL');
    await until('the next supervisor runs', () => supervisorOf(machine) !== supervisor);
    process.kill(machine.pid!, 'SIGSTOP');
  });
  process.kill(pid!, 'SIGCONT');
});

test('although fleetd dies', async () => {
  await ranOnceDespite(({ pid: fleetd }) => process.kill(fleetd!, 'SIGKILL'));
});
