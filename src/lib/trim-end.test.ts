import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trimEnd } from './trim-end.ts';

test('trimEnd removes any of the characters from the end alone', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['/a//', '/', '/a'],
    ['///', '/', ''],
    ['', '/', ''],
    [' a b \t\n', ' \t\n', ' a b'],
    ['a\0b\0\0', '\0', 'a\0b'],
  ];
  for (const [text, chars, expected] of cases) assert.equal(trimEnd(text, chars), expected, JSON.stringify(text));
});
