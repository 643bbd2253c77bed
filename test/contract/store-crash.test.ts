import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock as clock, systemRandom as random } from '../../src/lib/index.ts';
import { freePort } from '../../src/lib/test-free-port.ts';
import { prefixRange, type Store } from '../../src/store/index.ts';
import { type ChildStore, startChild } from './store-child.ts';
import { connectTo, eventually, hasProgram } from './store-servers.ts';

const ROUNDS = 20;
const WRITERS = 16;

/** What one writer asked for and what it was told. */
interface Progress {
  asked: number;
  acknowledged: number;
  revision: number;
}

/** Writes a number under three keys, again and again in one commit each, until the store is gone. */
async function write(store: Store, name: string, progress: Progress): Promise<void> {
  for (;;) {
    const value = String(++progress.asked);
    const writes = ['a', 'b', 'c'].map((part) => ({ put: `${name}/${part}`, value: value + '.'.repeat(500) }));
    try {
      const { revision } = await store.commit([], writes);
      progress.acknowledged = progress.asked;
      progress.revision = revision;
    } catch {
      return;
    }
  }
}

async function check(store: Store, name: string, progress: Progress): Promise<void> {
  const { entries, revision } = await store.list(prefixRange(`${name}/`));
  const values = entries.map(({ value }) => Number.parseInt(value, 10));
  if (progress.acknowledged === 0 && values.length === 0) return;
  assert.equal(values.length, 3);
  assert.ok(
    values.every((value) => value === values[0]),
    'a commit is half there',
  );
  assert.ok(values[0]! >= progress.acknowledged, 'an acknowledged commit is gone');
  assert.ok(values[0]! <= progress.asked);
  assert.ok(revision >= progress.revision);
  progress.asked = values[0]!;
}

test('after kill -9 at any moment every acknowledged commit is there and none is half there', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-crash-'));
  const port = await freePort();
  let child: ChildStore | undefined;
  t.after(async () => {
    await child?.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  const progress = Array.from({ length: WRITERS }, (): Progress => ({ asked: 0, acknowledged: 0, revision: 0 }));
  for (let round = 0; round < ROUNDS; round++) {
    child = await startChild(directory, port);
    const store = connectTo(child.endpoint, { requestTimeoutMs: 1000 });
    for (const [at, each] of progress.entries()) await check(store, `w${at}`, each);
    const writers = progress.map((each, at) => write(store, `w${at}`, each));
    await clock.sleep(random.float() * 150);
    await child.kill();
    await store.close();
    await Promise.all(writers);
  }
  const total = progress.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  assert.ok(total > ROUNDS, `only ${total} commits were acknowledged`);
});

test('a write that the disk refuses fails clearly, changes nothing, and the store lives on', {
  skip: hasProgram('prlimit') ? false : 'prlimit is not installed (apt install util-linux)',
}, async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-full-'));
  // The limit on the size of files stands for a full disk; in units of 512 bytes.
  const child = await startChild(directory, 0, '-S -f 4000');
  const store = connectTo(child.endpoint);
  t.after(async () => {
    await store.close();
    await child.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  const written: string[] = [];
  const lease = await store.lease(2000);
  const failure = await fillUp(store, written);
  assert.equal((failure as { code?: string }).code, 'full');
  assert.match(String(failure), /cannot write to .*flotilla-full-.*; nothing was changed, free some space/);
  const { entries, revision } = await store.list(prefixRange('full/'));
  assert.deepEqual(
    entries.map(({ key }) => key),
    written,
  );
  await clock.sleep(1.5 * lease.ttlMs);
  assert.equal(lease.lost.aborted, false);
  await assert.rejects(store.commit([], [{ put: 'full/x', value: 'x'.repeat(400_000) }]), { code: 'full' });
  execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:']);
  const done = await eventually(() => store.commit([], [{ put: 'full/z', value: 'x'.repeat(400_000) }]));
  assert.equal(done.revision, revision + 1);
});

async function fillUp(store: Store, written: string[]): Promise<unknown> {
  for (let i = 0; i < 1000; i++) {
    const key = `full/${String(i).padStart(4, '0')}`;
    try {
      await store.commit([], [{ put: key, value: 'y'.repeat(100_000) }]);
    } catch (error) {
      return error;
    }
    written.push(key);
  }
  return new Error('nothing was refused');
}
