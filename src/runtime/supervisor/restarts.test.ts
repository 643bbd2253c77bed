import assert from 'node:assert/strict';
import { type ChildProcess, spawn as start } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { supervisorProgram } from '../../../test/contract/runtime-harness.ts';
import { type Clock, systemClock as clock, createLog, isRunning, systemRandom as random } from '../../lib/index.ts';
import { until } from '../../lib/test-until.ts';
import type { UnitRuntime } from '../runtime.ts';
import { openSupervisor } from './open-supervisor.ts';
import { powerOff } from './power-off.ts';
import { SupervisorDirectory } from './state-directory.ts';

const FLEETD = path.join(import.meta.dirname, '../../daemon/main.ts');
const MACHINE_ID = '0'.repeat(32);
/** A minute of failures is over in less than two seconds. */
const FAST = 40;

/** A clock that can be made to run faster. */
class PacedClock implements Clock {
  #rate = 1;
  #baseMs = 0;
  #sinceMs = clock.monotonic();

  set rate(rate: number) {
    this.#baseMs = this.monotonic();
    this.#sinceMs = clock.monotonic();
    this.#rate = rate;
  }

  now(): number {
    return clock.now();
  }

  monotonic(): number {
    return this.#baseMs + (clock.monotonic() - this.#sinceMs) * this.#rate;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return clock.sleep(ms / this.#rate, signal);
  }

  after(ms: number, fn: () => void): () => void {
    return clock.after(ms / this.#rate, fn);
  }
}

let opened: UnitRuntime | undefined;

function stateDirectory(t: TestContext): SupervisorDirectory {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'supervisor-')));
  t.after(async () => {
    // Before the power goes: it would start the supervisor again.
    await opened?.close();
    await powerOff({ directory });
    rmSync(directory, { recursive: true, force: true });
  });
  return new SupervisorDirectory(directory);
}

test('a supervisor that crashes again and again is counted, and logged once for each change', async (t) => {
  const directory = stateDirectory(t);
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const [broken, tries] = [path.join(directory.path, 'broken'), path.join(directory.path, 'tries')];
  const { command, args } = supervisorProgram(directory.path);
  const script = `echo try >>${tries}; [ ! -e ${broken} ] || exit 1; exec "$0" "$@"`;
  let restarts = 0;
  const paced = new PacedClock();
  const runtime = await openSupervisor({
    directory: directory.path,
    spawn: { command: 'sh', args: ['-c', script, command, ...args] },
    clock: paced,
    random,
    log,
    machineId: MACHINE_ID,
    onRestart: () => restarts++,
  });
  opened = runtime;
  // On a busy machine also the first one is waited for.
  lines.length = 0;
  const tried = () => readFileSync(tries, 'utf8').split('\n').length - 1;
  const said = (what: string) => lines.filter((line) => line.includes(what)).length;

  appendFileSync(broken, '');
  process.kill(directory.readHolder()!.pid, 'SIGKILL');
  await until('it is counted', () => restarts === 1);
  paced.rate = FAST;
  const before = tried();
  await until('it was tried for a minute', () => tried() > before + 30, 60_000);
  paced.rate = 1;
  rmSync(broken);
  await until('it is back', () => said('The supervisor process responds failures=') > 0, 60_000);
  assert.deepEqual(await runtime.units(), []);
  assert.equal(restarts, 1);
  assert.equal(said('The supervisor process went away and is started again'), 1);
  assert.equal(said('Waiting for the supervisor process error="it is not up yet'), 1, lines.join('\n'));
  assert.equal(said('does not come up'), 1, lines.join('\n'));
});

test('a supervisor that is told to end before its fleetd has connected waits for it', async (t) => {
  // Several, since some learn of the signal only after the connection.
  for (let round = 0; round < 6; round++) {
    const directory = stateDirectory(t);
    const promise = path.join(directory.path, 'stop-promise');
    const args = [FLEETD, 'supervisor', '--dir', directory.path, '--machine-id', MACHINE_ID, '--promise', promise];
    const child: ChildProcess = start(process.execPath, args, { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await until('it has begun', () => directory.readHolder()?.pid === child.pid, 30_000);
    child.kill('SIGTERM');
    await until('it listens', () => existsSync(directory.socket), 30_000);
    const log = createLog(() => {});
    const spawn = { command: '/bin/false', args: [] };
    const parts = { clock, random, log };
    const runtime = await openSupervisor({ directory: directory.path, spawn, ...parts, machineId: MACHINE_ID });
    const holder = directory.readHolder()!;
    assert.equal(holder.pid, child.pid);
    assert.deepEqual(await runtime.units(), []);
    assert.ok(isRunning(holder));
    await runtime.close();
    await ended;
  }
});

test('a supervisor that takes long to come up is given no second, which might outlive the first', async (t) => {
  const directory = stateDirectory(t);
  const [tries, go] = [path.join(directory.path, 'tries'), path.join(directory.path, 'go')];
  const { command, args } = supervisorProgram(directory.path);
  const script = `echo try >>${tries}; until [ -e ${go} ]; do sleep 0.01; done; exec "$0" "$@"`;
  const paced = new PacedClock();
  const opening = openSupervisor({
    directory: directory.path,
    spawn: { command: 'sh', args: ['-c', script, command, ...args] },
    clock: paced,
    random,
    log: createLog(() => {}),
    machineId: MACHINE_ID,
  });
  opening.catch(() => {});
  const began = paced.monotonic();
  await until('another would have been started', () => paced.monotonic() > began + 6000, 60_000);
  appendFileSync(go, '');
  opened = await opening;
  assert.equal(readFileSync(tries, 'utf8'), 'try\n');
});
