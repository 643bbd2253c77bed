import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from './clock.ts';
import { createLog } from './log.ts';
import { RepeatedFailure } from './repeated-failure.ts';

test('a failure is logged when it begins, changes, lasts and ends, and not for every try', () => {
  let now = 0;
  const clock: Clock = { ...systemClock, monotonic: () => now };
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const failure = new RepeatedFailure({ clock, log, sentence: 'Cannot', over: 'Can again', fields: { what: 'x' } });
  const say = (error: string, times: number) => {
    for (let at = 0; at < times; at++) {
      now += 100;
      failure.failed(error);
    }
    return lines.splice(0);
  };
  failure.succeeded();
  assert.deepEqual(lines, []);
  assert.deepEqual(say('refused', 63), ['WARN Cannot what=x error=refused']);
  assert.deepEqual(say('reset', 10), ['WARN Cannot what=x error=reset failures=64']);
  assert.deepEqual(say('refused', 10), []);
  assert.deepEqual(say('refused', 6000), ['WARN Cannot what=x error=refused failures=6064']);
  for (let at = 0; at < 20; at++) failure.failed(`port ${at}`);
  assert.equal(lines.splice(0).length, 3);
  failure.succeeded();
  assert.deepEqual(lines.splice(0), ['INFO Can again what=x failures=6103 seconds=608']);
  assert.deepEqual(say('refused', 2), ['WARN Cannot what=x error=refused']);
});
