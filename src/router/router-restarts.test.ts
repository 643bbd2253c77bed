import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock as clock, createLog, systemRandom as random } from '../lib/index.ts';
import { freePort } from '../lib/test-free-port.ts';
import { until } from '../lib/test-until.ts';
import { openRouter, type Router } from './index.ts';
import { findRouter } from './predecessor.ts';
import { MemoryCatalog, open, SETTINGS, temporary } from './test-router.ts';

const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;
const FLEETD = path.join(import.meta.dirname, '../daemon/main.ts');

/** A catalog whose store does not respond until `respond` is called. */
class LateCatalog extends MemoryCatalog {
  respond: () => void = () => {};
  readonly #ready = new Promise<void>((resolve) => {
    this.respond = resolve;
  });

  override sync(): Promise<void> {
    return this.#ready;
  }
}

interface Opened {
  readonly router: Router;
  readonly lines: readonly string[];
  readonly restarts: () => number;
}

function openTold(t: TestContext, directory: string, command = process.execPath): Opened {
  const lines: string[] = [];
  let restarts = 0;
  const router = openRouter({
    settings: SETTINGS,
    directory,
    catalog: new MemoryCatalog(),
    spawn: { command, args: [FLEETD, 'router', '--dir', directory] },
    ...{ clock, random, log: createLog((line) => lines.push(line)) },
    onRestart: () => restarts++,
  });
  t.after(() => router.close());
  return { router, lines, restarts: () => restarts };
}

for (const plane of ['process', 'haproxy'] as const) {
  const skip = plane === 'haproxy' && !hasHaproxy ? 'haproxy is not installed (apt install haproxy)' : false;
  test(`a fleetd that stops before its router runs ends the one before it (router=${plane})`, { skip }, async (t) => {
    const [directory, port] = [temporary(t), await freePort()];
    const before = open(plane, new MemoryCatalog(), directory, port);
    await until('it listens', () => before.listening.length > 0);
    // Behaves like a fleetd that crashed.
    before.letGo();
    const { pid } = findRouter(directory)!;
    const after = open(plane, new LateCatalog(), directory, port);
    assert.equal(findRouter(directory)?.pid, pid);
    await after.close();
    assert.equal(findRouter(directory), undefined);
    assert.ok(!existsSync(`/proc/${pid}/exe`));
  });
}

test('a router that is let go while its store is waited for starts no process', async (t) => {
  const [directory, catalog] = [temporary(t), new LateCatalog()];
  const router = open('process', catalog, directory, 0);
  router.letGo();
  catalog.respond();
  // A process of `other` would listen before this one, which is started later.
  const other = open('process', new MemoryCatalog(), temporary(t), 0);
  await until('another one listens', () => other.listening.length > 0);
  assert.deepEqual(router.listening, []);
  assert.equal(findRouter(directory), undefined);
});

test('a router whose program cannot be run is tried until it can', async (t) => {
  const directory = temporary(t);
  const node = path.join(directory, 'node');
  const { router } = openTold(t, directory, node);
  await until('it says why', () => /ENOENT/.test(router.failure ?? ''));
  symlinkSync(process.execPath, node);
  await until('it listens', () => router.listening.length > 0);
});

test('a router that crashes again and again is counted, and logged once', async (t) => {
  const directory = temporary(t);
  const { router, lines, restarts } = openTold(t, directory);
  for (let count = 1; count <= 4; count++) {
    await until('it listens', () => router.listening.length > 0);
    process.kill(findRouter(directory)!.pid, 'SIGKILL');
    await until('it is counted', () => restarts() === count);
  }
  assert.deepEqual(
    lines.filter((line) => line.includes('went away')),
    ['WARN The router process went away and is started again error="its process ended: SIGKILL"'],
  );
});
