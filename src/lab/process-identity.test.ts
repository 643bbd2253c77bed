import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { identify, isAlive, processesWithArgument, signalProcess } from './process-identity.ts';

test('a process is known by pid and start time, and dead once it has ended', async () => {
  const child = spawn('/bin/sleep', ['1000']);
  await once(child, 'spawn');
  const identity = identify(child.pid!)!;
  assert.equal(isAlive(identity), true);
  signalProcess(identity, 'SIGKILL');
  await once(child, 'exit');
  assert.equal(isAlive(identity), false);
});

test('another process that got the same pid is neither alive nor signalled', () => {
  const stranger = { ...identify(process.pid)!, startTime: 1 };
  assert.equal(isAlive(stranger), false);
  signalProcess(stranger, 'SIGKILL');
  assert.equal(isAlive(undefined), false);
  assert.equal(isAlive({ pid: 0, startTime: 0 }), false);
});

test('processes are found by one exact argument', async () => {
  const child = spawn('/bin/sleep', ['1000.25']);
  await once(child, 'spawn');
  try {
    // Until the new program has replaced the copy of this one, its arguments are still ours.
    while (processesWithArgument('1000.25').length === 0) await new Promise(setImmediate);
    assert.deepEqual(
      processesWithArgument('1000.25').map(({ pid }) => pid),
      [child.pid],
    );
    assert.deepEqual(processesWithArgument('1000.2'), []);
  } finally {
    child.kill('SIGKILL');
  }
});
