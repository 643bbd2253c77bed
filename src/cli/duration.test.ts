import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDurationFlag } from './duration.ts';

const WRITTEN: readonly [text: string, ms: number][] = [
  ['0', 0],
  ['5', 5000],
  ['3.0', 3000],
  ['0.25', 250],
  ['0s', 0],
  ['30s', 30_000],
  ['1m30s', 90_000],
  ['500ms', 500],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['2h45m', 9_900_000],
];

test('Go durations are read, and bare numbers as seconds', () => {
  for (const [text, ms] of WRITTEN) assert.equal(parseDurationFlag(text), ms, text);
});

test('what is no duration is refused with an example of one', () => {
  for (const text of ['', '-30', '1e3', 's', '5 s', '1m30', '-5s', '1d', 'soon', '1s!']) {
    assert.throws(() => parseDurationFlag(text), /is not a duration: write 30s, 1m30s, 500ms, or 30 for seconds/, text);
  }
});

test('durations are written as Go writes them', () => {
  const cases: readonly [ms: number, text: string][] = [
    [0, '0s'],
    [500, '500ms'],
    [30_000, '30s'],
    [90_000, '1m30s'],
    [300_000, '5m0s'],
    [2500, '2.5s'],
    [3_600_000, '1h0m0s'],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

test('what was written reads back', () => {
  fc.assert(fc.property(fc.nat(100_000_000), (ms) => assert.equal(parseDurationFlag(formatDuration(ms)), ms)));
});
