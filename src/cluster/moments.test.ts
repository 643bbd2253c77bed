import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry, WatchEvent } from '../store/index.ts';
import { dated, momentsOf } from './moments.ts';
import type { Change } from './snapshot.ts';

const ID = 'a'.repeat(32);
const MACHINE = `/p/cluster/machine/${ID}`;

function put(key: string, value: object, modRevision: number): WatchEvent {
  return { type: 'put', entry: entry(key, value, modRevision) };
}

function entry(key: string, value: object, modRevision: number): Entry {
  return { key, value: JSON.stringify(value), createRevision: modRevision, modRevision };
}

const gone: Change = { kind: 'machine', id: ID, before: undefined as never };
const started: Change = { kind: 'leader', after: { machine: ID, sinceMs: 1 } };
const lost = (revision: number): { event: WatchEvent; change: Change } => ({
  event: {
    type: 'delete',
    key: MACHINE,
    modRevision: revision,
    previous: entry(MACHINE, { leaving: false, at: 100 }, 1),
  },
  change: gone,
});
const of = (...steps: readonly { event: WatchEvent; change: Change | undefined }[]) =>
  dated(momentsOf({ revision: 99, changes: [], steps })).map(({ revision, atMs, approximate }) => [
    revision,
    atMs,
    approximate ?? false,
  ]);

test('each revision has the time of its own records, even when many come in one batch', () => {
  const steps = [5, 6, 7].map((n) => ({
    event: put('/p/cluster/leader', { machine: ID, at: n * 1000 }, n),
    change: started,
  }));
  assert.deepEqual(of(...steps), [
    [5, 5000, false],
    [6, 6000, false],
    [7, 7000, false],
  ]);
});

test('a lost machine is dated by the note of its loss, else at the latest by the next record', () => {
  const note = (value: object) => ({ event: put('/p/cluster/note', value, 6), change: undefined });
  assert.deepEqual(of(lost(5), note({ lost: ID, at: 200 }))[0], [5, 200, false]);
  assert.deepEqual(of(lost(5), note({ lost: 'b'.repeat(32), at: 200 }))[0], [5, 200, true]);
  assert.deepEqual(of(lost(5))[0], [5, undefined, false]);
});

test('a machine that left is dated by its last record', () => {
  const left = {
    event: { ...lost(5).event, previous: entry(MACHINE, { leaving: true, at: 150 }, 4) } as WatchEvent,
    change: gone,
  };
  assert.deepEqual(of(left), [[5, 150, false]]);
});
