import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, ChangeBatch, Snapshot } from '../cluster/index.ts';
import { type Clock, systemClock } from '../lib/index.ts';
import { type Machine, NO_NEEDS, type Unit } from '../model/index.ts';
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

function machineOf(id: string): Machine {
  return { id, address: `10.${Number(id)}`, metadata: {}, resources: { cores: 1, memoryBytes: 1 }, version: '1' };
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

test('of a thousand machines that are gone the names are remembered, of those before them no more', () => {
  const machines = Array.from({ length: 1002 }, (_, i) => machineOf(String(i).padStart(32, '0')));
  const told: string[] = [];
  const live = new LiveEvents({
    clock: systemClock,
    tell: (happened) => told.push(...happened.map(({ sentence }) => sentence)),
  });
  let revision = 0;
  const add = (change: Change) => live.add({ revision: ++revision, changes: [change] }, SNAPSHOT);
  const losePlacement = ({ id }: Machine) => {
    told.length = 0;
    const before = { unit: 'a.service', machine: id, hash: 'h', desired: 'launched', reason: 'r' } as const;
    add({ kind: 'placement', unit: 'a.service', machine: id, before });
    return told.join();
  };
  for (const machine of machines) add({ kind: 'machine', id: machine.id, before: machine });
  // The second is back, and gone again: it is the newest.
  add({ kind: 'machine', id: machines[1]!.id, after: machines[1]! });
  add({ kind: 'machine', id: machines[1]!.id, before: machines[1]! });
  const addressOf = (machine: Machine) => losePlacement(machine).includes(machine.address);
  assert.deepEqual(
    [0, 1, 2, 3, 1001].map((i) => addressOf(machines[i]!)),
    [false, true, false, true, true],
  );
});
