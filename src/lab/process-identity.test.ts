import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { identify, isAlive, signalProcess } from './process-identity.ts';

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
