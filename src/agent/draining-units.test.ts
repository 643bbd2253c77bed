import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../lib/index.ts';
import { DrainingUnits } from './draining-units.ts';
import type { Step } from './plan-steps.ts';

const stop = (unit: string): Step => ({ kind: 'stop', unit, reason: '' });
const start = (unit: string): Step => ({ kind: 'start', unit, reason: '' });

/** Returns a catalog in which each unit's services take that long to leave. */
class Leaving {
  readonly left: Map<string, number>;
  readonly withdrawn = new Set<string>();

  constructor(left: Readonly<Record<string, number>>) {
    this.left = new Map(Object.entries(left));
  }

  leave(unit: string): number {
    this.withdrawn.add(unit);
    return this.left.get(unit) ?? 0;
  }

  stay(unit: string): void {
    this.withdrawn.delete(unit);
  }
}

test('a stop waits until its unit has drained, and no other step waits for it', () => {
  const leaving = new Leaving({ a: 2000, b: 500 });
  const units = new DrainingUnits(leaving, silentLog);
  const steps = [stop('a'), stop('b'), stop('c'), start('d')];
  assert.deepEqual(units.defer(steps), { steps: [stop('c'), start('d')], againMs: 500 });
  leaving.left.set('b', 0);
  assert.deepEqual(units.defer([stop('a'), stop('b')]), { steps: [stop('b')], againMs: 2000 });
  assert.deepEqual([...leaving.withdrawn], ['a', 'b', 'c']);
});

test('a unit that is no longer to be stopped, or is started again, returns to the catalog', () => {
  const leaving = new Leaving({ a: 2000 });
  const units = new DrainingUnits(leaving, silentLog);
  units.defer([stop('a'), stop('b')]);
  units.defer([]);
  assert.deepEqual([...leaving.withdrawn], ['b'], 'what has been told to stop does not come back by itself');
  units.defer([start('b')]);
  assert.deepEqual([...leaving.withdrawn], []);
});

test('a unit that has to stop at once leaves the catalog and does not wait, even while it drains', () => {
  const leaving = new Leaving({ a: 2000, b: 2000 });
  const units = new DrainingUnits(leaving, silentLog);
  units.defer([stop('a'), stop('b')]);
  const steps = [stop('a'), stop('b')];
  assert.deepEqual(units.defer(steps, new Set(['a'])), { steps: [stop('a')], againMs: 2000 });
  assert.deepEqual([...leaving.withdrawn], ['a', 'b']);
  units.defer([]);
  assert.deepEqual([...leaving.withdrawn], ['a'], 'what has been told to stop does not come back by itself');
});

test('without services every stop is immediate', () => {
  const steps = [stop('a'), start('b')];
  assert.deepEqual(new DrainingUnits(undefined, silentLog).defer(steps), { steps, againMs: Infinity });
});
