import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AtMost } from './index.ts';

test('never more work than the limit runs at once, in the order in which it came, failures included', async () => {
  const gate = new AtMost(2);
  const began: number[] = [];
  const ends: (() => void)[] = [];
  let running = 0;
  const outcomes = Array.from({ length: 6 }, (_, i) =>
    gate
      .run(async () => {
        began.push(i);
        assert.ok(++running <= 2);
        await new Promise<void>((resolve) => void ends.push(resolve));
        running--;
        if (i % 2 === 1) throw new Error(`${i} failed`);
        return i;
      })
      .catch((error: Error) => error.message),
  );
  for (let i = 0; i < 6; i++) {
    while (ends.length === 0) await new Promise(setImmediate);
    assert.ok(began.length <= i + 2);
    ends.shift()!();
  }
  assert.deepEqual(await Promise.all(outcomes), [0, '1 failed', 2, '3 failed', 4, '5 failed']);
  assert.deepEqual(began, [0, 1, 2, 3, 4, 5]);
  assert.equal(await gate.run(async () => 'and again'), 'and again');
});
