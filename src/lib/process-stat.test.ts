import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { systemClock as clock } from './clock.ts';
import { isRunning, readStat } from './process-stat.ts';

const PROGRAM = `
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
ctypes.CDLL(None).pthread_exit(None)`;

test('a process runs on after the end of its first thread, until it is killed', {
  skip: spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed (apt install python3)',
}, async (t) => {
  const child = spawn('python3', ['-c', PROGRAM], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const pid = child.pid!;
  while (readStat(pid)!.state !== 'Z') await clock.sleep(10);
  const { startTime } = readStat(pid)!;
  assert.ok(isRunning({ pid, startTime }));
  assert.ok(!isRunning({ pid, startTime: startTime + 1 }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(!isRunning({ pid, startTime }));
});
