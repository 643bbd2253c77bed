import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lease } from '../cluster/index.ts';
import { systemClock as clock } from '../lib/index.ts';
import { type PromiseMemory, type StopPromise, StopPromises } from './stop-promise.ts';

const TTL_MS = 60_000;
const endMs = clock.monotonic() + TTL_MS;
const lease: Lease = {
  id: '1',
  ttlMs: TTL_MS,
  lost: new AbortController().signal,
  deadline: () => endMs,
  revoke: async () => {},
};

/** A memory that can be made to refuse, and what stands in it. */
function openMemory(): { full: boolean; stands: StopPromise | undefined } & PromiseMemory {
  return {
    full: false,
    stands: undefined,
    load() {
      return this.stands;
    },
    save(promise) {
      if (this.full) throw new Error('ENOSPC: no space left on device');
      this.stands = promise;
    },
  };
}

test('a promise that could not be saved is not made, even when it is asked for again', () => {
  const memory = openMemory();
  const promises = new StopPromises(memory, clock, TTL_MS);
  memory.full = true;
  for (let round = 0; round < 3; round++) {
    assert.throws(() => promises.make(['a.service'], lease), /ENOSPC/);
    assert.equal(promises.covers('a.service'), false);
    assert.deepEqual(promises.units, []);
  }
  memory.full = false;
  promises.make(['a.service'], lease);
  assert.equal(promises.covers('a.service'), true);
  assert.deepEqual(memory.stands?.units, ['a.service']);
});

test('a promise for one more unit that could not be saved leaves the one before it in force', () => {
  const memory = openMemory();
  const promises = new StopPromises(memory, clock, TTL_MS);
  promises.make(['a.service'], lease);
  memory.full = true;
  assert.throws(() => promises.make(['a.service', 'b.service'], lease), /ENOSPC/);
  assert.throws(() => promises.forget(), /ENOSPC/);
  assert.deepEqual([promises.covers('a.service'), promises.covers('b.service')], [true, false]);
  assert.deepEqual(memory.stands?.units, ['a.service']);
});
