import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchesGlob, type Needs, NO_NEEDS, type Unit } from '../model/index.ts';
import { type Decision, scheduleOnce } from './schedule-once.ts';
import { TestCluster } from './test-cluster.ts';

const MACHINES = ['a1', 'a2', 'b1', 'b2'];
const UNITS = ['a.service', 'b.service', 'c.service', 'd.service', 'e@1.service', 'e@2.service', 'f@1.service'];
const GLOBS = ['a.service', 'e@*.service', '[a-c].service', 'f@?.service', '*', 'e@1.service', 'd.service'];

const some = (values: readonly string[], maxLength = 2) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength });
const metadata = fc.record({ zone: some(['x', 'y']), disk: some(['ssd', 'hdd']) }, { requiredKeys: [] });

/** Only what a unit file may hold: the API refuses the rest. */
const needs: fc.Arbitrary<Partial<Needs>> = fc.oneof(
  fc.constant({}),
  fc.record({ metadata }),
  fc.record({ machineId: fc.constantFrom('a1', 'b', 'a', 'c'), metadata }),
  fc.record({ machineOf: some(UNITS), metadata }),
  fc.record({ machineOf: some(UNITS, 1), conflicts: some(GLOBS, 1) }),
  fc.record({ machineOf: some(UNITS, 1), replaces: some(GLOBS, 1) }),
  fc.record({ conflicts: some(GLOBS), metadata }),
  fc.record({ replaces: some(GLOBS), metadata }),
  fc.record({ global: fc.constant(true), metadata, conflicts: fc.oneof(fc.constant([]), some(GLOBS, 1)) }),
);

const isAllowed = ({ machineOf = [], conflicts = [], replaces = [] }: Partial<Needs>) =>
  !machineOf.some((name) => [...conflicts, ...replaces].some((glob) => matchesGlob(glob, name)));

type Op = (cluster: TestCluster) => void;
const desired = fc.constantFrom<Unit['desired']>('launched', 'launched', 'loaded', 'inactive');
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(...UNITS), needs.filter(isAllowed), desired)
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
      .tuple(
        fc.constantFrom(...MACHINES),
        fc.record({ zone: fc.constantFrom('x', 'y'), disk: fc.constantFrom('ssd', 'hdd') }),
      )
      .map(([id, values]) => named(`machine ${id} ${JSON.stringify(values)}`, (c) => c.machine(id, values))),
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

/** Some changes, then a schedule of which a part is committed before the leader falls; 100 is all of it. */
const round = fc.record({
  ops: fc.array(op, { minLength: 1, maxLength: 6 }),
  committed: fc.constantFrom(100, 100, 100, 50, 0),
});

test('whatever happens, schedules are safe after every group, complete, and settle at once', () => {
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

test('the order in which a new leader reads the cluster does not matter', () => {
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

/** What a group puts somewhere must be right there, even if nothing after the group is ever committed. */
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
    // What was there before is only brought up to date; what is wrong with that others may still have to mend.
    if (before.get(unit)?.has(machine) || !cluster.placements.get(unit)?.has(machine)) continue;
    const elsewhere = cluster.placements.get(unit)!.size - 1;
    if (!cluster.units.get(unit)!.needs.global) assert.equal(elsewhere, 0, `${unit} is in two places`);
    assert.deepEqual(violations(cluster, unit, machine), []);
  }
}

/** Everything that is wrong with the unit being there, worked out without any of the scheduler's own parts. */
function violations(cluster: TestCluster, name: string, id: string): string[] {
  const found: string[] = [];
  const unit = cluster.units.get(name);
  if (!unit || unit.desired === 'inactive') return [`${name} is not to run`];
  const { metadata: wanted, machineId, machineOf, global } = unit.needs;
  const machine = cluster.machines.get(id);
  if (!machine && !cluster.awaited.has(id)) found.push(`${id} is gone`);
  for (const [key, values] of Object.entries(wanted)) {
    if (machine && !values.includes(machine.metadata[key] ?? ''))
      found.push(`${name} wants ${key}=${values}, not ${id}`);
  }
  if (machineId !== undefined && !id.startsWith(machineId)) found.push(`${name} wants ${machineId}, not ${id}`);
  for (const base of machineOf) {
    if (!cluster.placements.get(base)?.has(id)) found.push(`${name} on ${id} is not with ${base}`);
  }
  for (const [other, byMachine] of cluster.placements) {
    if (other === name || !byMachine.has(id)) continue;
    const otherNeeds = cluster.units.get(other)?.needs ?? NO_NEEDS;
    if (matchesAny(unit.needs.conflicts, other) || matchesAny(otherNeeds.conflicts, name)) {
      found.push(`${name} and ${other} conflict on ${id}`);
    }
    if (global || otherNeeds.global) continue;
    if (matchesAny(unit.needs.replaces, other) || matchesAny(otherNeeds.replaces, name)) {
      found.push(`${name} and ${other} replace on ${id}`);
    }
  }
  return found;
}

function matchesAny(globs: readonly string[], name: string): boolean {
  return globs.some((glob) => matchesGlob(glob, name));
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

/** Without Replaces= and circles of MachineOf=, a unit waits only if each machine has something against it. */
function checkNoRoom(cluster: TestCluster, name: string): void {
  const unit = cluster.units.get(name)!;
  const related = [...cluster.units.values()].some(({ needs: { replaces } }) => replaces.length > 0);
  if (related || unit.needs.machineId !== undefined) return;
  for (const id of cluster.machines.keys()) assert.notDeepEqual(violations(cluster, name, id), [], `${name} on ${id}`);
}
