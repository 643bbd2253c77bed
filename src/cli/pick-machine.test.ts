import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pickMachine } from './pick-machine.ts';

const machine = (id: string, hostname: string) => ({ id: id.padEnd(32, '0'), hostname, primaryIP: '', metadata: {} });

test('a host name is meant before the beginning of an id', () => {
  const machines = [machine('cafe1', 'web-1'), machine('beef1', 'cafe'), machine('beef2', 'web-2')];
  assert.equal(pickMachine(machines, 'cafe')?.hostname, 'cafe');
  assert.equal(pickMachine(machines, 'cafe1')?.hostname, 'web-1');
  assert.equal(pickMachine(machines, 'cafe...')?.hostname, 'web-1');
  assert.throws(() => pickMachine(machines, 'beef'), /ambiguous machine beef/);
  assert.throws(() => pickMachine([...machines, machine('d', 'cafe')], 'cafe'), /ambiguous machine cafe/);
});
