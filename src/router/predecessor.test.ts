import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { findProcess, recordProcess } from './predecessor.ts';
import { temporary } from './test-router.ts';

test('a process that has ended before it is recorded is not found', (t) => {
  const directory = temporary(t);
  const { pid } = spawnSync('true');
  recordProcess(directory, 'haproxy.pid', pid);
  assert.equal(findProcess(directory, 'haproxy.pid'), undefined);
  recordProcess(directory, 'haproxy.pid', process.pid);
  assert.equal(findProcess(directory, 'haproxy.pid')?.pid, process.pid);
});
