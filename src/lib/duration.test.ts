import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from './duration.ts';

const DURATIONS: readonly (readonly [text: string, ms: number | undefined])[] = [
  ['2s', 2000],
  ['500ms', 500],
  ['1min 30s', 90_000],
  ['1h', 3_600_000],
  ['1m30s', 90_000],
  ['1h2m3s4ms', 3_723_004],
  ['7', 7000],
  ['0.5', 500],
  ['', undefined],
  ['x', undefined],
  ['2s x', undefined],
  ['-1', undefined],
  ['3days', undefined],
];
for (const [text, ms] of DURATIONS) {
  test(`${JSON.stringify(text)} is ${ms === undefined ? 'no time' : `${ms} ms`}`, () => {
    assert.equal(parseDuration(text), ms);
  });
}
