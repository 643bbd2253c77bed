import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkKey, escapeKey, historyKey, inRange, keyRange, splitHistoryKey } from './keys.ts';

const key = fc
  .array(fc.constantFrom(0, 1, 0x61, 0x62, 0xff), { minLength: 1, maxLength: 6 })
  .map((bytes) => Buffer.from(bytes));
const revision = fc.integer({ min: 0, max: 2 ** 48 - 1 });

test('history is in the order of keys, then of revisions', () => {
  fc.assert(
    fc.property(key, revision, key, revision, (a, atA, b, atB) => {
      const wanted = a.compare(b) || Math.sign(atA - atB);
      assert.equal(historyKey(a, atA).compare(historyKey(b, atB)), wanted);
    }),
  );
});

test('the history of a range of keys is a range of the history', () => {
  fc.assert(
    fc.property(key, key, key, revision, (from, to, one, at) => {
      const inside = historyKey(one, at);
      const isBetween = escapeKey(from).compare(inside) <= 0 && inside.compare(escapeKey(to)) < 0;
      assert.equal(isBetween, inRange(one, { from, to }));
    }),
  );
});

test('a history key tells its parts', () => {
  fc.assert(
    fc.property(key, revision, (one, at) => {
      assert.deepEqual(splitHistoryKey(historyKey(one, at)), { escaped: escapeKey(one), revision: at });
    }),
  );
});

test("etcd's ways to say which keys are meant", () => {
  const range = (from: string, end: string) => keyRange(Buffer.from(from), Buffer.from(end));
  const holds = (from: string, end: string, one: string) => inRange(Buffer.from(one), range(from, end));
  assert.deepEqual(
    ['a', 'a\0', 'b'].map((one) => holds('a', '', one)),
    [true, false, false],
  );
  assert.deepEqual(
    ['a', 'az', 'b', 'c'].map((one) => holds('a', 'b', one)),
    [true, true, false, false],
  );
  assert.deepEqual(
    ['a', 'b', '\xff\xff'].map((one) => holds('b', '\0', one)),
    [false, true, true],
  );
  assert.throws(() => range('', 'x'), /key is not provided/);
  assert.throws(() => checkKey(Buffer.alloc(1025, 'k')), /1025 bytes, at most 1024/);
});
