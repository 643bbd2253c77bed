import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../lib/index.ts';
import { withLabLock } from './lab-lock.ts';
import { identify } from './process-identity.ts';

const io = { out: () => {}, err: () => {}, env: {} };

async function withDirectory(play: (lab: string) => Promise<void>): Promise<void> {
  const lab = mkdtempSync(path.join(os.tmpdir(), 'fl-'));
  try {
    await play(lab);
  } finally {
    rmSync(lab, { recursive: true, force: true });
  }
}

test('the lock is gone afterwards, also when the work failed', () =>
  withDirectory(async (lab) => {
    assert.equal(await withLabLock(lab, io, async () => 7), 7);
    await assert.rejects(
      withLabLock(lab, io, () => Promise.reject(new Error('broke'))),
      /broke/,
    );
    assert.deepEqual(readdirSync(lab), []);
  }));

test('a lock left by a process that was killed is taken over', () =>
  withDirectory(async (lab) => {
    for (const left of ['', JSON.stringify({ ...identify(process.pid), startTime: 1 })]) {
      writeFileSync(path.join(lab, 'lab.lock'), left);
      assert.equal(await withLabLock(lab, io, async () => 'taken'), 'taken');
    }
  }));

test('a lock that is no file is refused with a sentence, and left where it is', () =>
  withDirectory(async (lab) => {
    const file = path.join(lab, 'lab.lock');
    for (const make of [
      () => mkdirSync(path.join(file, 'within'), { recursive: true }),
      () => symlinkSync('gone', file),
    ]) {
      make();
      await assert.rejects(
        withLabLock(lab, io, async () => 'taken'),
        { code: 'damaged', message: `${file} is no file, so nobody can hold it as a lock: remove it` },
      );
      assert.deepEqual(readdirSync(lab), ['lab.lock']);
      rmSync(file, { recursive: true });
    }
    writeFileSync(file, 'null');
    assert.equal(await withLabLock(lab, io, async () => 'taken'), 'taken');
  }));

test('a lock that is held is waited for', () =>
  withDirectory(async (lab) => {
    const file = path.join(lab, 'lab.lock');
    writeFileSync(file, JSON.stringify(identify(process.pid)));
    const said: string[] = [];
    let done = false;
    const work = withLabLock(lab, { ...io, out: (text) => said.push(text) }, async () => {
      done = true;
    });
    while (said.length === 0) await systemClock.sleep(5);
    assert.match(said.join(''), /Waiting for another lab command/);
    assert.equal(done, false);
    rmSync(file);
    await work;
    assert.equal(done, true);
  }));
