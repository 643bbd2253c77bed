import fc from 'fast-check';
import { type Machine, matchesGlob, type Needs, NO_NEEDS, type Unit } from '../model/index.ts';
import type { FilterName } from './filters.ts';
import type { TestCluster } from './test-cluster.ts';

/** For tests: what the property must know of a filter to hold the scheduler to its rule. */
interface FilterTest {
  /** Needs that the filter reads. */
  readonly needs: fc.Arbitrary<Partial<Needs>>;
  /** Parts of a machine's record that the filter reads. */
  readonly machine?: fc.Arbitrary<Partial<Machine>>;
  /** Returns what is wrong with the unit being on the machine, worked out without the filter. */
  violations(unit: Unit, id: string, cluster: TestCluster): string[];
}

export const MACHINES = ['a1', 'a2', 'b1', 'b2'];
export const UNITS = ['a.service', 'b.service', 'c.service', 'd.service', 'e@1.service', 'e@2.service', 'f@1.service'];
const GLOBS = ['a.service', 'e@*.service', '[a-c].service', 'f@?.service', '*', 'e@1.service', 'd.service'];

/** One row for each filter: without it the tests do not compile. */
export const FILTER_TESTS: { readonly [F in FilterName]: FilterTest } = {
  presence: {
    needs: fc.constant({}),
    violations: (_unit, id, { machines, awaited }) => (machines.has(id) || awaited.has(id) ? [] : [`${id} is gone`]),
  },
  machineId: {
    needs: fc.record({ machineId: fc.constantFrom('a1', 'b', 'a', 'c') }),
    violations({ name, needs: { machineId } }, id) {
      return machineId === undefined || id.startsWith(machineId) ? [] : [`${name} wants ${machineId}, not ${id}`];
    },
  },
  metadata: {
    needs: fc.record({
      metadata: fc.record({ zone: some(['x', 'y']), disk: some(['ssd', 'hdd']) }, { requiredKeys: [] }),
    }),
    machine: fc.record({
      metadata: fc.record({ zone: fc.constantFrom('x', 'y'), disk: fc.constantFrom('ssd', 'hdd') }),
    }),
    violations({ name, needs }, id, { machines }) {
      const machine = machines.get(id);
      return Object.entries(needs.metadata).flatMap(([key, values]) =>
        machine && !values.includes(machine.metadata[key] ?? '') ? [`${name} wants ${key}=${values}, not ${id}`] : [],
      );
    },
  },
  machineOf: {
    needs: fc.record({ machineOf: some(UNITS) }),
    violations({ name, needs }, id, { placements }) {
      return needs.machineOf.flatMap((base) =>
        placements.get(base)?.has(id) ? [] : [`${name} on ${id} is not with ${base}`],
      );
    },
  },
  conflicts: {
    needs: fc.record({ conflicts: some(GLOBS) }),
    violations({ name, needs }, id, cluster) {
      return othersOn(id, name, cluster).flatMap((other) =>
        matchesAny(needs.conflicts, other.name) || matchesAny(other.needs.conflicts, name)
          ? [`${name} and ${other.name} conflict on ${id}`]
          : [],
      );
    },
  },
  replaces: {
    needs: fc.record({ replaces: some(GLOBS) }),
    violations({ name, needs }, id, cluster) {
      return othersOn(id, name, cluster).flatMap((other) =>
        !needs.global &&
        !other.needs.global &&
        (matchesAny(needs.replaces, other.name) || matchesAny(other.needs.replaces, name))
          ? [`${name} and ${other.name} replace on ${id}`]
          : [],
      );
    },
  },
};

export const FILTER_NAMES = Object.keys(FILTER_TESTS) as FilterName[];

/** What up to three filters read, and nothing that a unit file may not hold: the API refuses that. */
export const arbitraryNeeds: fc.Arbitrary<Partial<Needs>> = fc
  .tuple(fc.subarray(FILTER_NAMES, { maxLength: 3 }), fc.constantFrom(false, false, false, false, true))
  .chain(([names, global]) =>
    fc
      .tuple(...names.map((name) => FILTER_TESTS[name].needs))
      .map((parts): Partial<Needs> => Object.assign({}, ...parts, { global })),
  )
  .filter(isAllowed);

/** A machine's record as far as filters read it. */
export const arbitraryMachine: fc.Arbitrary<Partial<Machine>> = fc
  .tuple(...FILTER_NAMES.map((name) => FILTER_TESTS[name].machine ?? fc.constant({})))
  .map((parts): Partial<Machine> => Object.assign({}, ...parts));

/** Everything that is wrong with the unit being there, worked out without any of the scheduler's own parts. */
export function violations(cluster: TestCluster, name: string, id: string): string[] {
  const unit = cluster.units.get(name);
  if (!unit || unit.desired === 'inactive') return [`${name} is not to run`];
  return FILTER_NAMES.flatMap((filter) => FILTER_TESTS[filter].violations(unit, id, cluster));
}

function isAllowed(needs: Partial<Needs>): boolean {
  const { machineId, machineOf = [], conflicts = [], replaces = [], global } = needs;
  if (machineId !== undefined && (machineOf.length + conflicts.length + replaces.length > 0 || global)) return false;
  if (global && machineOf.length + replaces.length > 0) return false;
  if (conflicts.length > 0 && replaces.length > 0) return false;
  return !machineOf.some((name) => matchesAny([...conflicts, ...replaces], name));
}

function othersOn(id: string, name: string, { units, placements }: TestCluster): { name: string; needs: Needs }[] {
  return [...placements]
    .filter(([other, byMachine]) => other !== name && byMachine.has(id))
    .map(([other]) => ({ name: other, needs: units.get(other)?.needs ?? NO_NEEDS }));
}

function some(values: readonly string[], maxLength = 2): fc.Arbitrary<string[]> {
  return fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength });
}

function matchesAny(globs: readonly string[], name: string): boolean {
  return globs.some((glob) => matchesGlob(glob, name));
}
