import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { REFERENCE } from '../../scripts/reference/index.ts';
import { root } from './sources.ts';

const folder = path.join(root, 'docs/reference');
/** Pages that no table of the code could say: src/cli/json-output.test.ts and test/e2e/signals.test.ts run what they say. */
const BY_HAND: readonly string[] = ['exit-codes.md', 'json.md', 'signals.md'];

for (const [name, make] of Object.entries(REFERENCE))
  test(`docs/reference/${name} is as the code has it`, () => {
    const written = readFileSync(path.join(folder, name), 'utf8');
    assert.ok(written === make(), 'it differs: run `npm run docs`, and look at what changes');
  });

test('every other page of docs/reference/ is known to be written by hand', () => {
  const others = readdirSync(folder).filter((name) => !Object.hasOwn(REFERENCE, name));
  assert.deepEqual(others.sort(), BY_HAND);
});
