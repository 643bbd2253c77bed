import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { systemClock as clock, uptimeMs } from '../lib/index.ts';
import { bootId } from './machine.ts';

const GUARD = path.resolve(import.meta.dirname, '../../bin/fleetd-guard');
const home = mkdtempSync(path.join(tmpdir(), 'flotilla-guard-'));
after(() => rmSync(home, { recursive: true }));

/** A guard whose systemctl records its arguments only. */
class Guarded {
  readonly #promise = path.join(mkdtempSync(path.join(home, 'g')), 'stop-promise');
  readonly #told = `${this.#promise}.told`;
  readonly #guard: ChildProcess;

  constructor(guardInMs: number, endInMs: number) {
    const programs = path.dirname(this.#promise);
    writeFileSync(path.join(programs, 'systemctl'), `#!/bin/sh\necho "$*" >>${this.#told}\n`, { mode: 0o755 });
    this.promise(guardInMs, endInMs);
    const env = { PATH: `${programs}:/usr/bin:/bin` };
    this.#guard = spawn('sh', [GUARD, this.#promise], { env, stdio: 'ignore', detached: true });
  }

  promise(guardInMs: number, endInMs: number): void {
    const at = (ms: number) => Math.floor((uptimeMs() + ms) / 10);
    writeFileSync(`${this.#promise}.new`, `${bootId()} ${at(0)} ${at(guardInMs)} ${at(endInMs)} a.service\n`);
    renameSync(`${this.#promise}.new`, this.#promise);
  }

  get told(): string[] {
    return existsSync(this.#told) ? readFileSync(this.#told, 'utf8').trim().split('\n') : [];
  }

  async until(told: number): Promise<void> {
    const deadline = clock.monotonic() + 15_000;
    while (this.told.length < told && clock.monotonic() < deadline) await clock.sleep(20);
    assert.equal(this.told.length, told);
  }

  /** With the `sleep` in which it may wait. */
  async end(): Promise<void> {
    process.kill(-this.#guard.pid!, 'SIGKILL');
    await once(this.#guard, 'close');
  }
}

const STOP = 'stop --no-block -- a.service';
const KILL = 'kill --signal=KILL -- a.service';

test('a promise that nobody renews is kept: its units are stopped, and killed at the end', async () => {
  const guarded = new Guarded(100, 1000);
  await guarded.until(2);
  assert.deepEqual(guarded.told, [STOP, KILL]);
  await guarded.end();
});

test('what fleetd starts again, having renewed its promise in time, is not killed for the old one', async () => {
  const guarded = new Guarded(100, 2500);
  await guarded.until(1);
  guarded.promise(4500, 60_000);
  // The guard acts again only behind the end of the old promise.
  await guarded.until(2);
  assert.deepEqual(guarded.told, [STOP, STOP]);
  await guarded.end();
});
