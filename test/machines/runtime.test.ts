import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLOTILLA, MachineSet, machinesProblem, NODE } from './machine-set.ts';

const skip = machinesProblem() ?? false;

test('on a real systemd', { skip }, async (t) => {
  await using set = await MachineSet.open();
  const machine = await set.create();
  await machine.boot();
  for (const file of ['runtime-contract.ts', 'runtime-systemd.ts'])
    await t.test(file, async () => {
      const command = [NODE, '--test', '--test-reporter=spec', `${FLOTILLA}/test/machines/inside/${file}`];
      const { stdout, stderr, status } = await machine.exec(command, 200_000);
      assert.equal(status, 0, `${stdout}${stderr}`);
      assert.match(stdout, /pass [1-9]/);
    });
});
