import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Announcement, RunRecord } from '../cluster/index.ts';
import { systemClock as clock, createLog } from '../lib/index.ts';
import type { Placement } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';
import { OnceRuns } from './once-runs.ts';

const announcement = {} as Announcement;
const placement: Placement = { machine: 'm', unit: 'a', hash: 'h', desired: 'launched', reason: '', once: 'due' };
const placements = new Map([['a', placement]]);
const state = { load: 'loaded', active: 'inactive', sub: 'dead' };
const ended: LoadedUnit = { name: 'a', hash: 'h', launched: true, starting: false, succeeded: true, state };

function open() {
  const lines: string[] = [];
  const store: { fails: boolean; outcome: RunRecord } = { fails: false, outcome: 'done' };
  const respond = async <T>(value: T): Promise<T> => {
    if (store.fails) throw new Error('the store does not respond');
    return value;
  };
  const cluster = {
    ranOnce: () => respond(new Map([['a', { ran: false, revision: 7 }]])),
    recordRun: () => respond(store.outcome),
  };
  const runs = new OnceRuns({ cluster, clock, log: createLog((line) => lines.push(line)) });
  return { runs, store, said: (what: string) => lines.filter((line) => line.includes(what)).length };
}

test('a run is logged when it is recorded, and not when it no longer counts', async () => {
  const { runs, store, said } = open();
  store.outcome = 'unwanted';
  assert.deepEqual(await runs.record(announcement, placements, [ended]), []);
  assert.equal(said('Unit has run once'), 0);
  store.outcome = 'done';
  assert.deepEqual(await runs.record(announcement, placements, [ended]), []);
  assert.equal(said('Unit has run once'), 1);
  store.outcome = 'outdated';
  assert.deepEqual(await runs.record(announcement, placements, [ended]), ['a']);
  assert.equal(said('Unit has run once'), 1);
});

test('a store that does not respond holds units with RunOnce=true back, and is logged once for many turns', async () => {
  const { runs, store, said } = open();
  store.fails = true;
  for (let turn = 0; turn < 3; turn++) {
    assert.deepEqual(await runs.barred(['a', 'other'], placements), new Set(['a']));
    assert.deepEqual(await runs.record(announcement, placements, []), []);
  }
  assert.equal(said('Cannot read whether'), 1);
  for (let turn = 0; turn < 3; turn++)
    assert.equal(await runs.record(announcement, placements, [ended]), undefined, 'to be tried again');
  assert.equal(said('Cannot write down'), 1);
  store.fails = false;
  assert.deepEqual(await runs.barred(['a'], placements), new Set());
  assert.deepEqual(await runs.record(announcement, placements, [ended]), []);
});
