import type { Glob, MachineEntry, UnitEntry } from '../entries.ts';
import type { Filter } from '../filter.ts';
import { isPreemptedBy } from '../preemption.ts';

/** Conflicts=: no unit on the machine is matched by a glob of this one, nor holds a glob that matches this one. */
export const conflicts: Filter = {
  reason(unit, { machine, holding, ignored, preempts }) {
    if (!mayConflict(unit, machine)) return undefined;
    for (const other of machine.units) {
      if (other === unit || ignored.has(other)) continue;
      const glob = conflictBetween(unit, other);
      if (glob === undefined) continue;
      if (!holding || isPreemptedBy(unit, other, machine)) {
        return `conflicts with ${other.name}, which is here (${glob})`;
      }
      preempts.add(other);
    }
    return undefined;
  },
  key(unit) {
    return unit.conflicts.length + unit.matches.size === 0 ? undefined : `${ids(unit.conflicts)};${ids(unit.matches)}`;
  },
  wakes: ['unitLeft'],
};

/** A cheap test: false only when no unit on the machine, not even this one, is matched either way. */
function mayConflict(unit: UnitEntry, machine: MachineEntry): boolean {
  for (const glob of unit.conflicts) if (machine.matched.has(glob)) return true;
  if (machine.conflicting.size > 0) {
    for (const glob of unit.matches) if (machine.conflicting.has(glob)) return true;
  }
  return false;
}

/** Returns in words whose Conflicts= forbids the two units to share a machine; undefined when neither does. */
export function conflictBetween(unit: UnitEntry, other: UnitEntry): string | undefined {
  for (const glob of unit.conflicts) if (other.matches.has(glob)) return `its own Conflicts=${glob.text}`;
  for (const glob of other.conflicts) if (unit.matches.has(glob)) return `Conflicts=${glob.text} of ${other.name}`;
  return undefined;
}

function ids(globs: Iterable<Glob>): string {
  return [...globs]
    .map((glob) => glob.id)
    .sort((a, b) => a - b)
    .join();
}
