import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { isAlive, load, mainPid, service, startAndWait, unitOf, waitFor } from '../../test/contract/runtime-harness.ts';
import { systemClock as clock, systemRandom as random, silentLog, uptimeMs } from '../lib/index.ts';
import { until } from '../lib/test-until.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { openSupervisor, powerOff } from '../runtime/supervisor/index.ts';
import { bootId } from './machine.ts';
import { formatPromiseLine } from './promise-line.ts';

const MAIN = path.join(import.meta.dirname, 'main.ts');
const MACHINE_ID = '0'.repeat(32);
/** Long enough for units to be started before it is over on a busy machine. */
const SOON_MS = 4000;
/** Longer than any test. */
const NEVER_MS = 1_000_000;
const YIELDS = service('Restart=always\nExecStart=/bin/sleep 1000');
/** A unit that ignores the signal to stop. */
const STUBBORN = service('TimeoutStopSec=900\nKillSignal=SIGCONT\nExecStart=/bin/sleep 1000');

/** A supervisor whose fleetd, played by this process, has made a promise and stopped neither unit. */
class Promised {
  readonly directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'supervisor-')));
  readonly file = `${this.directory}.promise`;
  #runtime: UnitRuntime | undefined;

  static async open(t: TestContext, guardInMs: number, endInMs = NEVER_MS): Promise<Promised> {
    const one = new Promised();
    t.after(async () => {
      await one.#runtime?.close();
      await powerOff({ directory: one.directory });
      for (const left of [one.directory, one.file]) rmSync(left, { recursive: true, force: true });
    });
    one.#runtime = await openSupervisor({
      directory: one.directory,
      spawn: {
        command: process.execPath,
        args: [MAIN, 'supervisor', '--dir', one.directory, '--machine-id', MACHINE_ID, '--promise', one.file],
      },
      clock,
      random,
      log: silentLog,
      machineId: MACHINE_ID,
    });
    await load(one.runtime, { 'a.service': YIELDS, 'b.service': STUBBORN, 'other.service': YIELDS });
    one.promise(['a.service', 'b.service'], guardInMs, endInMs);
    for (const name of ['a.service', 'b.service', 'other.service']) await startAndWait(one.runtime, name);
    return one;
  }

  get runtime(): UnitRuntime {
    return this.#runtime!;
  }

  get supervisor(): number {
    return (JSON.parse(readFileSync(path.join(this.directory, 'supervisor.pid'), 'utf8')) as { pid: number }).pid;
  }

  get log(): string {
    return readFileSync(path.join(this.directory, 'supervisor.log'), 'utf8');
  }

  promise(units: readonly string[], guardInMs: number, endInMs = NEVER_MS, boot = bootId()): void {
    const [stopAtMs, guardAtMs, endMs] = [uptimeMs(), uptimeMs() + guardInMs, uptimeMs() + endInMs];
    writeFileSync(this.file, `${formatPromiseLine({ boot, stopAtMs, guardAtMs, endMs, units })}\n`);
  }

  /** fleetd is gone, and no other process talks to the supervisor. */
  async leave(): Promise<void> {
    await this.#runtime?.close();
    this.#runtime = undefined;
  }
}

function isGone(pid: number): boolean {
  return !isAlive(pid);
}

test('a promise that nobody renews is kept: its units are stopped, and killed at the end', async (t) => {
  const promised = await Promised.open(t, SOON_MS, 2 * SOON_MS);
  const { runtime } = promised;
  const [a, b, other] = await Promise.all(['a', 'b', 'other'].map((name) => mainPid(runtime, `${name}.service`)));
  await promised.leave();
  await until('the first is stopped', () => isGone(a!));
  assert.ok(isAlive(other!), 'a unit of which nothing was promised runs on');
  await until('the one that does not react is killed', () => isGone(b!));
  assert.match(promised.log, /WARN Stopping unit, fleetd has not renewed its promise unit=a\.service\n/);
  assert.match(promised.log, /WARN Killing unit, it may have been started on another machine unit=b\.service\n/);
  assert.doesNotMatch(promised.log, /Killing unit.*a\.service/);
  assert.ok(isAlive(other!));
});

test('a unit whose promise is renewed runs on', async (t) => {
  const promised = await Promised.open(t, NEVER_MS);
  const { runtime } = promised;
  const [a, b, other] = await Promise.all(['a', 'b', 'other'].map((name) => mainPid(runtime, `${name}.service`)));
  promised.promise(['a.service', 'b.service'], SOON_MS);
  await runtime.units();
  // When the last promise is due, the one before it would have been kept.
  promised.promise(['other.service'], SOON_MS + 100);
  await until('the other is stopped', () => isGone(other!));
  assert.ok(isAlive(a!));
  assert.ok(isAlive(b!));
});

test('a promise of an earlier boot is none', async (t) => {
  const promised = await Promised.open(t, NEVER_MS);
  const { supervisor } = promised;
  const a = await mainPid(promised.runtime, 'a.service');
  promised.promise(['a.service'], 0, 0, 'another-boot');
  process.kill(supervisor, 'SIGKILL');
  // The next supervisor reads the promise before it responds.
  await until('the next one runs', () => promised.supervisor !== supervisor);
  const { launched, state } = (await promised.runtime.units()).find(({ name }) => name === 'a.service')!;
  assert.deepEqual([launched, state.active, isAlive(a)], [true, 'active', true]);
});

test('the promise outlives the supervisor process: the next one keeps it', async (t) => {
  const promised = await Promised.open(t, SOON_MS);
  const a = await mainPid(promised.runtime, 'a.service');
  const { supervisor } = promised;
  process.kill(supervisor, 'SIGKILL');
  await until('the next one runs', () => promised.supervisor !== supervisor);
  await until('the unit is stopped', () => isGone(a));
  // The supervisor hears of the end of a process that it has not started a moment later.
  await waitFor(promised.runtime, 'a.service', 'inactive/dead');
  assert.equal((await unitOf(promised.runtime, 'a.service'))?.launched, false);
});

test('a promise that was due while no supervisor ran is kept as soon as one does', async (t) => {
  const promised = await Promised.open(t, NEVER_MS);
  const a = await mainPid(promised.runtime, 'a.service');
  process.kill(promised.supervisor, 'SIGSTOP');
  promised.promise(['a.service'], 0);
  process.kill(promised.supervisor, 'SIGKILL');
  await until('the unit is stopped', () => isGone(a));
});

test('a supervisor that is told to end without a fleetd stops first what it has promised', async (t) => {
  const promised = await Promised.open(t, NEVER_MS);
  const { supervisor, runtime } = promised;
  const [a, other] = await Promise.all(['a', 'other'].map((name) => mainPid(runtime, `${name}.service`)));
  promised.promise(['a.service'], SOON_MS);
  await promised.leave();
  process.kill(supervisor, 'SIGTERM');
  await until('the supervisor ends', () => isGone(supervisor));
  assert.ok(isGone(a!));
  assert.ok(isAlive(other!));
});

test('a promise that cannot be read is told of once, and kept as soon as it can be', async (t) => {
  const promised = await Promised.open(t, NEVER_MS);
  const a = await mainPid(promised.runtime, 'a.service');
  writeFileSync(promised.file, 'garbled');
  await until('it is said', () => promised.log.includes('cannot be read'));
  promised.promise(['a.service'], 0);
  await until('the unit is stopped', () => isGone(a));
  const said = promised.log.split('\n').filter((line) => line.includes('Promise to stop units cannot be read'));
  assert.equal(said.length, 1, promised.log);
  assert.match(said[0]!, /WARN .* error=".*\.promise is damaged"/);
});
