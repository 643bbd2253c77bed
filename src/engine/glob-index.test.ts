import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchesGlob, NO_NEEDS, type Unit } from '../model/index.ts';
import type { Glob, UnitEntry } from './entries.ts';
import { GlobIndex, NO_GLOBS } from './glob-index.ts';
import { Scheduler } from './scheduler.ts';

const NAMES = ['a1', 'a2', 'a3', 'b1', 'b2', 'ab', 'ba', 'c'];
const GLOBS = ['a*', '*1', '*', '?', 'b?', 'a1', '[ab]*'];

function entry(name: string): UnitEntry {
  const lists = { conflicts: [], replaces: [], matches: NO_GLOBS, placements: new Map() };
  return { name, unit: undefined, needs: NO_NEEDS, wanted: false, poolKey: '', ...lists };
}

/** An index that compares two names in a step, and whose globs are each held by one unit. */
class Driver {
  readonly holder = entry('holder');
  readonly units = new Map<string, UnitEntry>();
  readonly held = new Map<string, Glob>();
  readonly balance = new Map<string, number>();
  steps: Iterator<void> | undefined;
  readonly index = new GlobIndex((unit, glob, change) => {
    const key = `${unit.name} ${glob.id}`;
    this.balance.set(key, (this.balance.get(key) ?? 0) + change);
  }, 2);

  toggleName(name: string): void {
    const unit = this.units.get(name) ?? entry(name);
    if (this.units.delete(name)) {
      this.index.removeName(unit);
    } else {
      this.units.set(name, unit);
      this.index.addNames([unit]);
    }
  }

  toggleGlob(text: string): void {
    const glob = this.held.get(text);
    if (glob === undefined) {
      const acquired = this.index.acquire(text);
      acquired.conflictHolders.add(this.holder);
      this.held.set(text, acquired);
    } else {
      glob.conflictHolders.delete(this.holder);
      this.held.delete(text);
      this.index.release(glob);
    }
  }

  check(): void {
    for (const [text, { matching }] of this.held) {
      const expected = [...this.units.keys()].filter((name) => matchesGlob(text, name)).sort();
      assert.deepEqual([...matching].map(({ name }) => name).sort(), expected, text);
    }
    for (const unit of this.units.values())
      for (const glob of unit.matches) assert.equal(this.balance.get(`${unit.name} ${glob.id}`), 1);
    for (const [key, count] of this.balance) assert.ok(count === 0 || count === 1, `${key}: ${count}`);
  }
}

const op = fc.oneof(
  fc.constantFrom(...NAMES).map((name) => (driver: Driver) => driver.toggleName(name)),
  fc.constantFrom(...GLOBS).map((text) => (driver: Driver) => driver.toggleGlob(text)),
  fc.constantFrom(...GLOBS).map((text) => (driver: Driver) => {
    driver.steps = driver.index.prepare(text);
    driver.steps?.next();
  }),
  fc.constant((driver: Driver) => void driver.steps?.next()),
  fc.constant((driver: Driver) => driver.index.releaseUnheld()),
  fc.constant((driver: Driver) => {
    driver.steps = driver.index.forgetReleased();
    driver.steps.next();
  }),
);

test('held globs match exactly the names in the index, whatever changes between the steps', () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
      const driver = new Driver();
      for (const run of ops) {
        run(driver);
        driver.check();
      }
      for (const text of [...driver.held.keys()]) driver.toggleGlob(text);
      driver.index.releaseUnheld();
      for (const _ of driver.index.forgetReleased());
      for (const unit of driver.units.values()) assert.equal(unit.matches.size, 0, unit.name);
    }),
    { numRuns: 2000 },
  );
});

test('a unit with many globs is added to a large cluster in many steps', () => {
  const scheduler = new Scheduler();
  const unit = (name: string, conflicts: string[] = []): Unit => {
    return { name, hash: 'h', desired: 'launched', needs: { ...NO_NEEDS, conflicts } };
  };
  const id = '1'.repeat(32);
  const resources = { cores: 1, memoryBytes: 1 };
  scheduler.setMachine(id, { id, address: '', metadata: {}, resources, version: '1' });
  for (let i = 0; i < 2000; i++) scheduler.setUnit(`u${i}.service`, unit(`u${i}.service`));
  assert.equal([...scheduler.prepare()].length, 0);
  assert.equal(scheduler.schedule().decisions.length, 2000);
  const globs = ['*[0-9].service', 'u*.*', '*'];
  scheduler.setUnit('x.service', unit('x.service', globs));
  assert.equal([...scheduler.prepare()].length, 3 * Math.floor(2000 / 256));
  assert.equal([...scheduler.prepare()].length, 0);
  assert.deepEqual(
    scheduler.schedule().pending.map(({ unit: name }) => name),
    ['x.service'],
  );
  scheduler.setUnit('x.service', undefined);
  scheduler.schedule();
  assert.ok([...scheduler.prepare()].length >= 3 * Math.floor(2000 / 256), 'forgotten in steps as well');
});
