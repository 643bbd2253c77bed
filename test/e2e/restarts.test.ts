/** A process of ours that crashes is started again by whoever started it, and no unit notices. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { findRouter } from '../../src/router/predecessor.ts';
import { freeBase, isAlive } from './lab-fixture.ts';
import { SteadyLab } from './steady-lab.ts';

const lab = new SteadyLab();
before(async () => lab.up('--machines', '1', '--port-base', String(await freeBase())));
after(() => lab.dispose());

interface Status {
  readonly store: { readonly pid?: number; readonly restarts: number; readonly state: string };
  readonly machines: readonly { readonly directory: string }[];
}

async function status(): Promise<Status> {
  return JSON.parse(await lab.ok('lab', 'status', '-o', 'json')) as Status;
}

const supervisor = (directory: string): number =>
  JSON.parse(readFileSync(path.join(directory, 'state/supervisor/supervisor.pid'), 'utf8')).pid;

test('the store, the router and the supervisor come back after a crash; units run on', async () => {
  await lab.ok('start', lab.write('tick.service', '[Service]\nExecStart=/bin/sleep 10000\n'));
  const mainPid = async () => /Main PID: (\d+)/.exec(await lab.ok('status', 'tick'))![1];
  const unit = await mainPid();
  const { directory } = (await status()).machines[0]!;
  const find: Readonly<Record<string, () => Promise<number | undefined>>> = {
    store: async () => (await status()).store.pid,
    router: async () => findRouter(path.join(directory, 'state/router'))?.pid,
    supervisor: async () => supervisor(directory),
  };
  // More than once: it is not kept by what had been put by for the first time.
  for (const [what, pidOf] of Object.entries(find))
    for (const _ of [1, 2]) {
      const pid = await until(`the ${what} runs`, pidOf);
      process.kill(pid, 'SIGKILL');
      await until(`another ${what} runs`, async () => {
        const now = await pidOf();
        return now !== undefined && now !== pid && isAlive(now);
      });
    }
  await until('all goes on', async () => (await lab.run('list-units')).status === 0);
  assert.equal(await mainPid(), unit);
  assert.equal((await status()).store.restarts, 2);
  assert.match(
    await lab.ok('lab', 'status'),
    /^The store ended by itself and was started again \(2×\): see .*store\.log$/m,
  );
  const told = (what: string) =>
    readFileSync(path.join(directory, 'fleetd.log'), 'utf8').split(
      `The ${what} process went away and is started again`,
    );
  for (const what of ['router', 'supervisor'])
    await until(`fleetd says it of the ${what}`, () => told(what).length > 1);
});
