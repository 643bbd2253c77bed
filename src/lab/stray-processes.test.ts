import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, test } from 'node:test';
import { killStrays, strayProcesses } from './stray-processes.ts';

const started: ChildProcess[] = [];
after(() => {
  // Kill their children too, which would hold this process by its pipes.
  for (const child of started) {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // The process has ended.
    }
  }
});

/** Starts a shell that has these arguments, ignores them, and has a child. */
async function pretend(...args: string[]): Promise<number> {
  const child = spawn('/bin/sh', ['-c', 'sleep 1000 & echo; wait', 'fleetd', ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  started.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child.pid!;
}

test('daemons of a lab are found with what they started, and nobody else', async () => {
  const lab = `/nowhere/lab-${process.pid}`;
  const ours = [
    await pretend('--config', `${lab}/m2/fleet.conf`),
    await pretend('store', '--data-dir', `${lab}/store`, '--listen', '127.0.0.1:1'),
    await pretend('supervisor', '--dir', `${lab}/m2/state/supervisor`),
  ];
  const others = [
    await pretend(`${lab}/m2/fleet.conf`),
    await pretend('--config', `${lab}-2/m2/fleet.conf`),
    await pretend('--data-dir', `${lab}/store/deeper`),
  ];
  const found = strayProcesses(lab).map(({ pid }) => pid);
  assert.deepEqual(
    ours.filter((pid) => !found.includes(pid)),
    [],
  );
  assert.equal(found.length, 2 * ours.length);
  assert.deepEqual(
    others.filter((pid) => found.includes(pid)),
    [],
  );
});

test('they are ended with what one of them starts in the place of another, on one machine alone', async () => {
  const lab = `/nowhere/lab-${process.pid}`;
  const router = ['--dir', `${lab}/m3/state/router`];
  const first = await pretend('router', ...router);
  // Starts another process 5 ms after the first has ended.
  const script = 'echo; while kill -0 "$0"; do sleep 0.005; done; sh -c "sleep 1000; :" "$@" & wait';
  const fleetd = spawn('/bin/sh', ['-c', script, String(first), ...router, '--config', `${lab}/m3/fleet.conf`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  started.push(fleetd);
  await new Promise((resolve) => fleetd.stdout.once('data', resolve));
  const other = await pretend('--config', `${lab}/m2/fleet.conf`);

  assert.ok((await killStrays(lab, `${lab}/m3`)) >= 3);
  assert.deepEqual(strayProcesses(lab, `${lab}/m3`), []);
  assert.ok(strayProcesses(lab).some(({ pid }) => pid === other));
});
