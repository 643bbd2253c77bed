import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzz, SEED } from './fuzz.ts';

test('a fuzzer that fails names its input and the command that repeats it, and finds the same again', async () => {
  const runFuzzer = () =>
    fuzz(fc.integer({ min: 0, max: 1000 }), (n) => assert.ok(n < 500, `${n} is too many`), { runs: 100 }).then(
      () => assert.fail('no input failed'),
      (error: Error) => error.message.split('\n').slice(0, 2).join('\n'),
    );
  const first = await runFuzzer();
  assert.match(
    first,
    /^input 500: 500 is too many\n {2}again: npm run hostile -- --seed \d+ test\/hostile\/fuzz\.test\.ts/,
  );
  assert.ok(first.includes(`--seed ${SEED} `));
  assert.equal(await runFuzzer(), first);
});

test('a fuzzer without a failing input ends quietly', () =>
  fuzz(fc.string(), (text) => assert.equal(typeof text, 'string'), { runs: 20 }));
