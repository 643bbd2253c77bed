import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGlob, matchesGlob } from './glob.ts';

const CASES: readonly (readonly [glob: string, text: string, matches: boolean])[] = [
  ['a.service', 'a.service', true],
  ['a.service', 'aXservice', false],
  ['*', '', true],
  ['*', 'anything.service', true],
  ['*', 'a/b', false],
  ['foo@*.service', 'foo@1.service', true],
  ['foo@*.service', 'foo@.service', true],
  ['foo@*.service', 'foo@.servic', false],
  ['a*a', 'a', false],
  ['a*b*c', 'aXbYbZc', true],
  ['a*b*c', 'aXbYbZ', false],
  ['?', 'a', true],
  ['?', '', false],
  ['?', '/', false],
  ['a?c', 'abc', true],
  ['*.?', 'x.y', true],
  ['[a-c]x', 'bx', true],
  ['[a-c]x', 'dx', false],
  ['[^a-c]x', 'dx', true],
  ['[^a-c]x', 'ax', false],
  ['[abc-]', 'a', false],
  ['[a\\-c]', '-', true],
  ['[\\]]', ']', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['a**b', 'aXb', true],
  ['[', '[', false],
  ['[]', ']', false],
  ['[z-a]', 'm', false],
  ['a\\', 'a\\', false],
  ['web[0-9]*.service', 'web7b.service', true],
];

for (const [glob, text, expected] of CASES) {
  test(`${glob} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, () => {
    assert.equal(matchesGlob(glob, text), expected);
  });
}

test('a malformed glob is known as such', () => {
  for (const glob of ['[', '[]', '[a', 'a\\', '[z-a]', '[a-]']) assert.equal(isGlob(glob), false, glob);
  for (const glob of ['', '*', '[a]', '\\[', 'x[^0-9]*']) assert.equal(isGlob(glob), true, glob);
});

test('any text escaped matches itself alone, and any glob answers', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, other) => {
      const escaped = [...text].map((char) => `\\${char}`).join('');
      assert.equal(matchesGlob(escaped, text), true);
      assert.equal(matchesGlob(escaped, other), other === text);
      matchesGlob(text, other);
    }),
  );
});

test('work grows with the product of glob and text, not faster', () => {
  assert.equal(matchesGlob(`${'*a'.repeat(120)}?`, 'a'.repeat(119)), false);
  assert.equal(matchesGlob(`${'?*'.repeat(500)}b`, 'a'.repeat(2000)), false);
});
