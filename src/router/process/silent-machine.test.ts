import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSilent } from './silent-machine.ts';

test('a machine whose name cannot be resolved is not taken for a silent one', async () => {
  // A label of more than 63 characters fails without asking a resolver.
  const address = `${'x'.repeat(64)}.invalid`;
  assert.equal(await isSilent({ id: 'a', address, port: 80, machine: 'm1', weight: 1 }, 10_000), false);
});
