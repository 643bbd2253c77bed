import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClock } from './clock.ts';

test('what is to happen after longer than a timer can wait does not happen sooner', async () => {
  const clock = createClock(20);
  const beganMs = clock.monotonic();
  const afterMs = new Promise<number>((resolve) => void clock.after(100, () => resolve(clock.monotonic() - beganMs)));
  await clock.sleep(70);
  assert.ok(clock.monotonic() - beganMs >= 65);
  assert.ok((await afterMs) >= 95);
});

test('it can be called off in each part of the wait', async () => {
  const clock = createClock(20);
  let happened = false;
  const cancel = clock.after(60, () => {
    happened = true;
  });
  await clock.sleep(30);
  cancel();
  const stopping = new AbortController();
  const sleep = assert.rejects(clock.sleep(60_000, stopping.signal), /enough/);
  await clock.sleep(60);
  stopping.abort(new Error('enough'));
  await sleep;
  assert.equal(happened, false);
});
