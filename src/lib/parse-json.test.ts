import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from './parse-json.ts';

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const listOf = (count: number) => `[${Array.from({ length: count }, () => '{}').join(',')}]`;

test('JSON is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json(), (text) => assert.deepEqual(parseJson(text), JSON.parse(text))),
    { numRuns: 500 },
  );
});

test('what stands in strings neither nests nor counts', () => {
  const texts = ['\\', '\\\\', '"', '\\"', '[{'.repeat(100), ','.repeat(40_000), '\\'.repeat(1001), '"],['.repeat(50)];
  for (const text of texts)
    assert.deepEqual(parseJson(JSON.stringify([text, { [text]: text }])), [text, { [text]: text }]);
});

test('64 levels and 32,768 values are read, and one more of either is refused', () => {
  assert.equal(JSON.stringify(parseJson(nested(64))), nested(64));
  assert.throws(() => parseJson(nested(65)), /^SyntaxError: it nests deeper than 64 levels$/);
  assert.equal((parseJson(listOf(32_768)) as unknown[]).length, 32_768);
  assert.throws(() => parseJson(listOf(32_769)), /^SyntaxError: it holds more than 32768 values: send less at once$/);
  assert.throws(() => parseJson('"open'), SyntaxError);
});
