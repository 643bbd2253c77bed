import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../cluster/index.ts';
import { type Machine, NO_NEEDS, type Placement, type Unit, type UnitStatus } from '../model/index.ts';
import { narrate } from './narrate.ts';

const ID = '85c0c5951e4f4f5e8ad0a5b5a7b1c2d3';
const unit: Unit = { name: 'a.service', hash: '1234567890', desired: 'launched', needs: NO_NEEDS };
const machine: Machine = {
  id: ID,
  address: '172.17.8.102',
  metadata: {},
  resources: { cores: 2, memoryBytes: 1 },
  version: '1',
};
const placement: Placement = { machine: ID, unit: 'a.service', hash: '1', desired: 'launched', reason: 'fewest units' };
const status: UnitStatus = {
  machine: ID,
  unit: 'a.service',
  hash: '1',
  state: 'launched',
  load: 'loaded',
  active: 'activating',
  sub: 'start',
};
const EXIT_3 = { result: 'exit-code', status: 3 };
const ofUnit = { kind: 'unit', name: 'a.service' } as const;
const ofMachine = { kind: 'machine', id: ID } as const;
const ofPlacement = { kind: 'placement', unit: 'a.service', machine: ID } as const;
const ofStatus = { kind: 'status', unit: 'a.service', machine: ID } as const;

const cases: readonly [Change, string | undefined][] = [
  [{ ...ofUnit, after: unit }, 'a.service was submitted, to be launched'],
  [{ ...ofUnit, before: unit }, 'a.service was destroyed'],
  [{ ...ofUnit, before: unit, after: unit }, undefined],
  [{ ...ofUnit, before: { ...unit, desired: 'loaded' }, after: unit }, 'a.service is to be launched instead of loaded'],
  [
    { ...ofUnit, before: { ...unit, hash: 'fedcba9876' }, after: unit },
    'a.service got a new unit file (fedcba9 to 1234567)',
  ],
  [{ ...ofPlacement, after: placement }, 'a.service was placed on 85c0c595.../172.17.8.102: fewest units'],
  [{ ...ofPlacement, before: placement }, 'a.service was taken off 85c0c595.../172.17.8.102'],
  [{ ...ofPlacement, before: placement, after: { ...placement, hash: '2' } }, undefined],
  [{ ...ofStatus, after: status }, 'a.service is activating (start) on 85c0c595.../172.17.8.102'],
  [
    { ...ofStatus, before: status, after: { ...status, active: 'active', sub: 'running' } },
    'a.service went from activating (start) to active (running) on 85c0c595.../172.17.8.102',
  ],
  [
    { ...ofStatus, before: status, after: { ...status, load: 'error', note: 'no such binary' } },
    'a.service went from activating (start) to error, activating (start) on 85c0c595.../172.17.8.102: no such binary',
  ],
  [{ ...ofStatus, before: status, after: { ...status, hash: '2' } }, undefined],
  [{ ...ofStatus, before: status }, 'a.service is no longer reported by 85c0c595.../172.17.8.102'],
  [{ ...ofMachine, after: machine }, '85c0c595.../172.17.8.102 joined the cluster'],
  [{ ...ofMachine, before: machine }, '85c0c595.../172.17.8.102 left the cluster'],
  [{ ...ofMachine, before: { ...machine, leaving: true } }, '85c0c595.../172.17.8.102 left the cluster'],
  [
    { ...ofMachine, before: { ...machine, leaving: false } },
    '85c0c595.../172.17.8.102 is gone: its lease ended, as after a power cut, a crash or a loss of the network',
  ],
  [
    { ...ofStatus, before: status, after: { ...status, active: 'failed', sub: 'failed', exit: EXIT_3 } },
    'a.service went from activating (start) to failed (failed) on 85c0c595.../172.17.8.102: exit status 3',
  ],
  [
    { ...ofMachine, before: machine, after: { ...machine, metadata: { region: 'eu', disk: 'ssd' } } },
    '85c0c595.../172.17.8.102 has metadata disk=ssd,region=eu now',
  ],
  [
    { ...ofMachine, before: { ...machine, metadata: { region: 'eu' } }, after: machine },
    '85c0c595.../172.17.8.102 has no metadata now',
  ],
  [{ ...ofMachine, before: machine, after: { ...machine, version: '2' } }, undefined],
  [{ kind: 'leader', after: { machine: ID, sinceMs: 5 } }, '85c0c595.../172.17.8.102 leads the cluster now'],
  [{ kind: 'leader', before: { machine: ID, sinceMs: 5 } }, '85c0c595.../172.17.8.102 leads the cluster no longer'],
];

test('changes are told in plain words', () => {
  for (const [change, sentence] of cases) {
    const told = narrate(change, { machine: () => machine, reason: () => undefined });
    assert.equal(told?.sentence, sentence, JSON.stringify(change));
  }
});

test('a machine that is lost is told from one that left, and from one that does not say', () => {
  const ends = [true, false, undefined].map((leaving) => {
    const before = { ...machine, ...(leaving === undefined ? {} : { leaving }) };
    return narrate({ ...ofMachine, before }, { machine: () => machine, reason: () => undefined })?.kind;
  });
  assert.deepEqual(ends, ['machine-left', 'machine-lost', 'machine-gone']);
});

test('an event has fields for programs', () => {
  const named = { ...machine, name: 'web-1' };
  const after = { ...status, active: 'failed', sub: 'failed', exit: EXIT_3 };
  const told = narrate({ ...ofStatus, before: status, after }, { machine: () => named, reason: () => 'stopped by X' });
  const { sentence: _, ...fields } = told!;
  assert.deepEqual(fields, {
    kind: 'unit-state',
    subject: 'unit',
    name: 'a.service',
    unit: 'a.service',
    machine: { id: ID, hostname: 'web-1', address: '172.17.8.102' },
    state: { load: 'loaded', active: 'failed', sub: 'failed' },
    reason: 'stopped by X; exit status 3',
    result: 'exit-code',
    exitStatus: 3,
  });
});
