import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
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

test('a process is dead no sooner than its ports are free', async () => {
  const program = `
    Array.from({ length: 100 }, () => Buffer.alloc(1e6, 1));
    const server = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(server.address().port))`;
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [port] = await once(child.stdout, 'data');
    const identity = identify(child.pid!)!;
    signalProcess(identity, 'SIGKILL');
    while (isAlive(identity));
    const successor = createServer().listen(Number(String(port)), '127.0.0.1');
    await once(successor, 'listening');
    successor.close();
  }
});

test('another process that got the same pid is neither alive nor signalled', () => {
  const stranger = { ...identify(process.pid)!, startTime: 1 };
  assert.equal(isAlive(stranger), false);
  signalProcess(stranger, 'SIGKILL');
  assert.equal(isAlive(undefined), false);
  assert.equal(isAlive({ pid: 0, startTime: 0 }), false);
});
