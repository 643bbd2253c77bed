import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Unit } from '../model/index.ts';
import { type Decision, scheduleOnce } from './schedule-once.ts';
import { TestCluster } from './test-cluster.ts';
import {
  arbitraryMachine,
  arbitraryNeeds,
  FILTER_NAMES,
  FILTER_TESTS,
  MACHINES,
  UNITS,
  violations,
} from './test-filters.ts';

type Op = (cluster: TestCluster) => void;
const desired = fc.constantFrom<Unit['desired']>('launched', 'launched', 'loaded', 'inactive');
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(...UNITS), arbitraryNeeds, desired)
      .map(([name, wanted, state]) =>
        named(`unit ${name} ${JSON.stringify(wanted)} ${state}`, (c) => c.unit(name, wanted, state)),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...UNITS), desired).map(([name, state]) =>
      named(`desire ${name} ${state}`, (c) => {
        const unit = c.units.get(name);
        if (unit) c.set({ ...unit, desired: state });
      }),
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom(...UNITS).map((name) => named(`destroy ${name}`, (c) => c.destroy(name))) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(...MACHINES), arbitraryMachine)
      .map(([id, record]) => named(`machine ${id} ${JSON.stringify(record)}`, (c) => c.machine(id, {}, record))),
  },
  { weight: 2, arbitrary: fc.constantFrom(...MACHINES).map((id) => named(`kill ${id}`, (c) => c.kill(id))) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...MACHINES).map((id) => named(`miss ${id}`, (c) => c.machines.has(id) && c.miss(id))),
  },
  { weight: 1, arbitrary: fc.constant(named('elect', (c) => c.elect())) },
);

function named(name: string, run: (cluster: TestCluster) => unknown): Op {
  return Object.assign((cluster: TestCluster) => void run(cluster), { toString: () => name });
}

/** Some changes, then a schedule; a part of it (in percent) is committed before the leader falls, all when it does not. */
const round = fc.record({
  ops: fc.array(op, { minLength: 1, maxLength: 6 }),
  committed: fc.constantFrom(100, 100, 100, 50, 0),
});

test('after any changes a schedule is safe after every group, complete, and followed by no further decision', () => {
  fc.assert(
    fc.property(fc.array(round, { minLength: 1, maxLength: 12 }), (rounds) => {
      const cluster = new TestCluster();
      for (const { ops, committed } of rounds) {
        for (const change of ops) change(cluster);
        const { decisions, pending } = cluster.scheduler.schedule();
        const names = pending.map(({ unit }) => unit);
        const groups = groupsOf(decisions);
        const part = groups.slice(0, Math.ceil((groups.length * committed) / 100));
        for (const group of part) commitSafely(cluster, group);
        if (part.length < groups.length) cluster.elect();
        else checkSettled(cluster, names);
      }
    }),
    { numRuns: 2000 },
  );
});

test('the generated clusters break every rule at least once', () => {
  const unseen = new Set(FILTER_NAMES);
  for (const ops of fc.sample(fc.array(op, { minLength: 10, maxLength: 20 }), { numRuns: 200, seed: 1 })) {
    const cluster = new TestCluster();
    for (const change of ops) change(cluster);
    cluster.run();
    for (const unit of cluster.units.values()) {
      for (const id of MACHINES) {
        for (const name of unseen) if (FILTER_TESTS[name].violations(unit, id, cluster).length > 0) unseen.delete(name);
      }
    }
  }
  assert.deepEqual([...unseen], [], 'no unit was ever refused by these rules: let their generators say more');
});

test('a new leader decides the same in whatever order it reads the cluster', () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 1, maxLength: 20 }), (ops) => {
      const cluster = new TestCluster();
      for (const change of ops) change(cluster);
      const reversed = {
        units: new Map([...cluster.units].reverse()),
        machines: new Map([...cluster.machines].reverse()),
        placements: cluster.placements,
        awaited: cluster.awaited,
      };
      assert.deepEqual(scheduleOnce(reversed).decisions, scheduleOnce(cluster).decisions);
    }),
    { numRuns: 500 },
  );
});

function groupsOf(decisions: readonly Decision[]): Decision[][] {
  const groups: Decision[][] = [];
  for (const decision of decisions) {
    const last = groups.at(-1);
    if (last && last[0]!.group === decision.group) last.push(decision);
    else groups.push([decision]);
  }
  return groups;
}

/** Commits a group and checks every placement it makes: the leader may fall before the next group. */
function commitSafely(cluster: TestCluster, group: readonly Decision[]): void {
  const before = new Map([...cluster.placements].map(([unit, byMachine]) => [unit, new Set(byMachine.keys())]));
  for (const decision of group) {
    assert.ok(decision.reason.length > 0);
    cluster.commit(decision);
  }
  const writes = group.flatMap(({ writes }) => writes);
  assert.ok(writes.length <= 120);
  for (const write of writes) {
    if (!('put' in write)) continue;
    const { unit, machine } = write.put;
    // A placement that was there is only updated; a later group may still have to remove it.
    if (before.get(unit)?.has(machine) || !cluster.placements.get(unit)?.has(machine)) continue;
    const elsewhere = cluster.placements.get(unit)!.size - 1;
    if (!cluster.units.get(unit)!.needs.global) assert.equal(elsewhere, 0, `${unit} is in two places`);
    assert.deepEqual(violations(cluster, unit, machine), []);
  }
}

function checkSettled(cluster: TestCluster, pending: readonly string[]): void {
  const again = scheduleOnce(cluster);
  assert.deepEqual(again.decisions, [], 'a new leader would decide more');
  assert.deepEqual(
    again.pending.map(({ unit }) => unit),
    pending,
  );
  assert.deepEqual(cluster.scheduler.schedule().decisions, [], 'the same leader would decide more');
  const placed = new Set<string>();
  for (const [unit, byMachine] of cluster.placements) {
    for (const [machine, placement] of byMachine) {
      placed.add(unit);
      assert.deepEqual(violations(cluster, unit, machine), []);
      assert.equal(placement.hash, cluster.units.get(unit)!.hash);
      assert.equal(placement.desired, cluster.units.get(unit)!.desired);
    }
  }
  for (const { name, desired: state, needs: wanted } of cluster.units.values()) {
    if (state === 'inactive') continue;
    if (wanted.global) checkGlobal(cluster, name);
    else assert.equal(placed.has(name), !pending.includes(name), `${name} is neither placed nor pending`);
    if (pending.includes(name)) checkNoRoom(cluster, name);
  }
}

function checkGlobal(cluster: TestCluster, name: string): void {
  for (const id of cluster.machines.keys()) {
    const isThere = cluster.placements.get(name)?.has(id) ?? false;
    assert.equal(violations(cluster, name, id).length === 0, isThere, `${name} on ${id}`);
  }
}

/** Checks that every machine refuses a pending unit; Replaces= is left out, by which a unit may wait for other reasons. */
function checkNoRoom(cluster: TestCluster, name: string): void {
  const unit = cluster.units.get(name)!;
  const related = [...cluster.units.values()].some(({ needs: { replaces } }) => replaces.length > 0);
  if (related || unit.needs.machineId !== undefined) return;
  for (const id of cluster.machines.keys()) assert.notDeepEqual(violations(cluster, name, id), [], `${name} on ${id}`);
}
