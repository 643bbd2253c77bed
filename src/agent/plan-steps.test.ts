import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Placement } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';
import { type PlanInput, planSteps, type Step } from './plan-steps.ts';

type Placed = Partial<Pick<Placement, 'hash' | 'desired' | 'onPartition' | 'once'>>;
type Held = Partial<Pick<LoadedUnit, 'hash' | 'launched' | 'state'>>;

const running = { load: 'loaded', active: 'active', sub: 'running' };
const stopping = { load: 'loaded', active: 'deactivating', sub: 'stop-sigterm' };
const dead = { load: 'loaded', active: 'inactive', sub: 'dead' };

interface Case {
  readonly placed?: Record<string, Placed>;
  readonly held?: Record<string, Held>;
  readonly refused?: Record<string, string>;
  readonly cutOff?: boolean;
}

function input({ placed = {}, held = {}, refused = {}, cutOff = false }: Case): PlanInput {
  const placements = new Map(
    Object.entries(placed).map(([unit, given]): [string, Placement] => [
      unit,
      { machine: 'm', unit, hash: 'h1', desired: 'launched', reason: 'because', ...given },
    ]),
  );
  const actual = new Map(
    Object.entries(held).map(([name, given]): [string, LoadedUnit] => {
      return [name, { name, hash: 'h1', launched: true, starting: false, state: running, ...given }];
    }),
  );
  return { placements, actual, refused: new Map(Object.entries(refused)), cutOff };
}

const short = (steps: readonly Step[]) => steps.map(({ kind, unit }) => `${kind} ${unit}`);

const CASES: Record<string, Case & { expect: string[] }> = {
  'a placed unit is loaded and started': { placed: { a: {} }, expect: ['load a', 'start a'] },
  'a unit to be loaded is not started': { placed: { a: { desired: 'loaded' } }, expect: ['load a'] },
  'a unit in its desired state needs no step': { placed: { a: {} }, held: { a: {} }, expect: [] },
  'a unit no longer placed is stopped while it runs': { held: { a: {} }, expect: ['stop a'] },
  'a unit that is stopping needs no step': { held: { a: { state: stopping } }, expect: [] },
  'a unit no longer placed is unloaded once it has stopped': { held: { a: { state: dead } }, expect: ['unload a'] },
  'a changed file is stopped while it runs': { placed: { a: { hash: 'h2' } }, held: { a: {} }, expect: ['stop a'] },
  'a changed file waits while the old one stops': {
    placed: { a: { hash: 'h2' } },
    held: { a: { state: stopping } },
    expect: [],
  },
  'a changed file is unloaded, loaded and started once the old one has stopped': {
    placed: { a: { hash: 'h2' } },
    held: { a: { state: dead } },
    expect: ['unload a', 'load a', 'start a'],
  },
  'a launched unit that shall be loaded is stopped': {
    placed: { a: { desired: 'loaded' } },
    held: { a: {} },
    expect: ['stop a'],
  },
  'a loaded unit that shall be launched is started': {
    placed: { a: {} },
    held: { a: { launched: false } },
    expect: ['start a'],
  },
  'all of one kind come before the next, by name': {
    placed: { b: {}, a: {}, c: { desired: 'loaded' } },
    held: { d: { state: dead }, c: {} },
    expect: ['stop c', 'unload d', 'load a', 'load b', 'start a', 'start b'],
  },
  'what this machine refused is not tried again': { placed: { a: {} }, refused: { a: 'h1' }, expect: [] },
  'a refused unit is tried again with another file': {
    placed: { a: { hash: 'h2' } },
    refused: { a: 'h1' },
    expect: ['load a', 'start a'],
  },
  'a unit that is to run once is started': { placed: { a: { once: 'due' } }, expect: ['load a', 'start a'] },
  'a unit that has run once is loaded only': { placed: { a: { once: 'done' } }, expect: ['load a'] },
  'a unit that has run once is over': {
    placed: { a: { once: 'done' } },
    held: { a: { state: dead } },
    expect: ['stop a'],
  },
  'a unit that has run once stays active (RemainAfterExit=)': {
    placed: { a: { once: 'done' } },
    held: { a: { state: { load: 'loaded', active: 'active', sub: 'exited' } } },
    expect: [],
  },
  'a unit that has run once and is known to be over is left alone': {
    placed: { a: { once: 'done' } },
    held: { a: { launched: false, state: dead } },
    expect: [],
  },
  'a unit that has run once is asked for again': {
    placed: { a: { once: 'due' } },
    held: { a: { launched: false, state: dead } },
    expect: ['start a'],
  },
  'a unit that has run once gets another file': {
    placed: { a: { once: 'done', hash: 'h2' } },
    held: { a: { launched: false, state: dead } },
    expect: ['unload a', 'load a'],
  },
  'cut off, only units with OnPartition=stop are stopped': {
    placed: { a: {}, b: { onPartition: 'stop' } },
    held: { a: {}, b: {} },
    cutOff: true,
    expect: ['stop b'],
  },
  'no longer cut off, they are started again': {
    placed: { b: { onPartition: 'stop' } },
    held: { b: { launched: false } },
    expect: ['start b'],
  },
};

for (const [name, { expect, ...given }] of Object.entries(CASES)) {
  test(name, () => assert.deepEqual(short(planSteps(input(given))), expect));
}

test('every step carries a reason', () => {
  const steps = planSteps(input({ placed: { a: { hash: 'h2' }, b: {} }, held: { a: { state: dead }, c: {} } }));
  for (const step of steps) assert.notEqual(step.reason, '');
});

const units = fc.constantFrom('a', 'b', 'c', 'd');
const placed = fc.dictionary(
  units,
  fc.record({ hash: fc.constantFrom('h1', 'h2'), desired: fc.constantFrom('loaded' as const, 'launched' as const) }),
);
const held = fc.dictionary(units, fc.record({ hash: fc.constantFrom('h1', 'h2'), launched: fc.boolean() }));

test('carrying out the steps leads to the placed units, and then the plan is empty', () => {
  fc.assert(
    fc.property(placed, held, (wanted, before) => {
      const after = input({ placed: wanted, held: before });
      const actual = new Map(after.actual);
      for (const _ of ['once to stop', 'once more']) {
        for (const step of planSteps({ ...after, actual })) {
          const unit = actual.get(step.unit);
          if (step.kind === 'unload') actual.delete(step.unit);
          if (step.kind === 'load') actual.set(step.unit, { ...loaded(step.unit), hash: step.hash });
          if (step.kind === 'start') actual.set(step.unit, { ...unit!, launched: true, state: running });
          if (step.kind === 'stop') actual.set(step.unit, { ...unit!, launched: false, state: dead });
        }
      }
      assert.deepEqual(planSteps({ ...after, actual }), []);
      assert.deepEqual([...actual.keys()].sort(), Object.keys(wanted).sort());
    }),
  );
});

function loaded(name: string): LoadedUnit {
  return { name, hash: '', launched: false, starting: false, state: dead };
}
