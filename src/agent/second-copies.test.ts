import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Placement } from '../model/index.ts';
import { SecondCopies } from './second-copies.ts';

const placed = (...units: readonly string[]): ReadonlyMap<string, Placement> =>
  new Map(units.map((unit) => [unit, { unit, machine: 'm', hash: 'h', desired: 'launched', reason: '' }]));

test('under a new lease, units no longer placed here are second copies until they are unloaded', () => {
  const copies = new SecondCopies(undefined);
  assert.deepEqual([...copies.among(['a', 'b'], placed('a', 'b'), 'one')], []);
  assert.deepEqual([...copies.among(['a', 'b'], placed('a'), 'two')], ['b']);
  assert.deepEqual([...copies.among(['a', 'b'], placed('a'), 'two')], ['b'], 'the next turn still knows');
  assert.deepEqual([...copies.among(['a'], placed('a'), 'two')], []);
  assert.deepEqual([...copies.among(['a', 'b'], placed('a'), 'two')], [], 'it came back and was taken away since');
});

test('under the same lease a unit that is removed drains, even with a fleetd that has just started', () => {
  const copies = new SecondCopies('one');
  assert.deepEqual([...copies.among(['a'], placed(), 'one')], []);
});

test('a fleetd that starts after its predecessor lost its lease knows the second copies', () => {
  const copies = new SecondCopies('one');
  assert.deepEqual([...copies.among(['a', 'b'], placed('a'), 'two')], ['b']);
});

test('a unit that was placed here again before it stopped drains like any other', () => {
  const copies = new SecondCopies('one');
  copies.among(['a'], placed(), 'two');
  copies.among(['a'], placed('a'), 'two');
  assert.deepEqual([...copies.among(['a'], placed(), 'two')], []);
});
