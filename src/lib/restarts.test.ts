import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from './clock.ts';
import { createLog } from './log.ts';
import { systemRandom } from './random.ts';
import { Restarts } from './restarts.ts';

test('a process that ends again and again is started later each time, counted, and logged once for each change', () => {
  let now = 0;
  let timers: { readonly atMs: number; readonly fn: () => void }[] = [];
  const clock: Clock = {
    ...systemClock,
    monotonic: () => now,
    after(ms, fn) {
      const timer = { atMs: now + ms, fn };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  const pass = (ms: number) => {
    now += ms;
    for (const timer of timers.filter(({ atMs }) => atMs <= now)) timer.fn();
    timers = timers.filter(({ atMs }) => atMs > now);
  };
  const lines: string[] = [];
  let count = 0;
  const restarts = new Restarts({
    what: 'router',
    clock,
    random: { ...systemRandom, float: () => 0.5 },
    log: createLog((line) => lines.push(line)),
    onRestart: () => count++,
  });
  const crash = (afterMs: number, how = 'SIGKILL') => {
    restarts.serves();
    pass(afterMs);
    return restarts.ended(how);
  };
  assert.deepEqual(
    [1, 2, 3, 4].map(() => crash(100)),
    [20, 40, 80, 160],
  );
  assert.deepEqual(lines.splice(0), ['WARN The router process went away and is started again error=SIGKILL']);
  for (let times = 0; times < 20; times++) crash(9000);
  assert.equal(crash(9000), 5000);
  assert.deepEqual(lines.splice(0), []);
  crash(100, 'exit status 1');
  assert.deepEqual(lines.splice(0), [
    'WARN The router process went away and is started again error="exit status 1" failures=26',
  ]);
  assert.equal(count, 26);
  assert.equal(crash(10_000), 20, 'what stayed up for long starts from the beginning');
  assert.deepEqual(lines.splice(0), [
    'INFO The router process stays up again failures=26 seconds=199',
    'WARN The router process went away and is started again error=SIGKILL',
  ]);
});
