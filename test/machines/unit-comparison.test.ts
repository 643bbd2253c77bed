import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLOTILLA, MachineSet, machinesProblem, NODE } from './machine-set.ts';

/** UNITS=3000 compares more of them, another SEED others: a run without it is always the same, whatever else has changed. */
const COUNT = Number(process.env['UNITS'] ?? 1000);
const SEED = Number(process.env['SEED'] ?? 7);

test('the supervisor reads units as systemd does', { skip: machinesProblem() ?? false }, async () => {
  await using set = await MachineSet.open();
  const machine = await set.create();
  await machine.boot();
  const command = [NODE, `${FLOTILLA}/test/machines/inside/compare-units.ts`, String(SEED), String(COUNT)];
  const { stdout, stderr, status } = await machine.exec(command, 200_000 + COUNT * 100);
  assert.equal(status, 0, `SEED=${SEED} UNITS=${COUNT}\n${stdout}${stderr}`);
  console.log(`SEED=${SEED}: ${stdout.trim()}`);
});
