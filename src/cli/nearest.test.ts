import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.ts';

const COMMANDS = [
  'cat',
  'destroy',
  'list-machines',
  'list-unit-files',
  'list-units',
  'start',
  'status',
  'stop',
  'wait',
  'why',
];

const CASES: readonly [word: string, meant: string | undefined][] = [
  ['strat', 'start'],
  ['sotp', 'stop'],
  ['list-unit', 'list-units'],
  ['listunits', 'list-units'],
  ['statsu', 'status'],
  ['machines', 'list-machines'],
  ['frobnicate', undefined],
  ['x', undefined],
];

test('a mistyped word leads to the nearest command', () => {
  for (const [word, meant] of CASES) assert.equal(nearest(word, COMMANDS), meant, word);
});
