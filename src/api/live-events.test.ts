import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeBatch, Snapshot } from '../cluster/index.ts';
import { type Clock, systemClock } from '../lib/index.ts';
import { NO_NEEDS, type Unit } from '../model/index.ts';
import { LiveEvents } from './live-events.ts';

const SNAPSHOT = { units: new Map(), machines: new Map(), placements: new Map() } as unknown as Snapshot;

/** The deletion of a unit by a fleetd that writes no note of the time. */
function undated(revision: number): ChangeBatch {
  const name = `u${revision}.service`;
  const before: Unit = { name, hash: 'h', desired: 'launched', needs: NO_NEEDS };
  const change = { kind: 'unit', name, before } as const;
  return {
    revision,
    changes: [change],
    steps: [{ event: { type: 'delete', key: `unit/${name}`, modRevision: revision }, change }],
  };
}

test('events without a time are told two seconds after the first of them, however many follow', () => {
  let now = 0;
  let timers: { readonly atMs: number; readonly fn: () => void }[] = [];
  const clock: Clock = {
    ...systemClock,
    after(ms, fn) {
      const timer = { atMs: now + ms, fn };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  const told: number[] = [];
  const live = new LiveEvents({
    clock,
    tell: (happened) => told.push(...happened.map(({ revision }) => revision)),
  });
  for (let revision = 1; revision <= 5; revision++) {
    live.add(undated(revision), SNAPSHOT);
    now += 600;
    for (const timer of timers.filter(({ atMs }) => atMs <= now)) timer.fn();
  }
  assert.deepEqual(told, [1, 2, 3, 4]);
  assert.equal(live.firstWaiting, 5);
});
