import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGoDuration } from '../../src/lib/index.ts';
import { parseTimeSpanMs } from '../../src/runtime/supervisor/spec/values.ts';

const DIGITS = '9'.repeat(100_000);

// A pattern that tried every way to cut the digits would not end within the limit of a test file.
for (const text of [`${DIGITS}!`, `${DIGITS}.${DIGITS}!`, `${'1 '.repeat(50_000)}!`, `${'1m'.repeat(50_000)}!`])
  test(`${text.length} characters that end in no time are refused: ${text.slice(0, 4)}…`, () => {
    assert.equal(parseTimeSpanMs(text), undefined);
    assert.equal(parseGoDuration(text), undefined);
  });

test('times are what they were', () => {
  for (const [text, ms] of [
    ['5', 5000],
    ['1min 30s', 90_000],
    ['1.5s', 1500],
    ['2 h', 7_200_000],
    ['500ms', 500],
    ['1h30m', 5_400_000],
  ] as const)
    assert.equal(parseTimeSpanMs(text), ms, text);
  for (const text of ['', ' ', 's', '5x', '-1', '1..5s']) assert.equal(parseTimeSpanMs(text), undefined, text);
  for (const [text, ms] of [
    ['1m30s', 90_000],
    ['60000ms', 60_000],
    ['0', 0],
    ['.5s', 500],
    ['1.s', 1000],
    ['1.5h', 5_400_000],
  ] as const)
    assert.equal(parseGoDuration(text), ms, text);
  for (const text of ['', '5', 's', '1m 30s', '1..5s', '-1s']) assert.equal(parseGoDuration(text), undefined, text);
});
