import type { MachineEntry, UnitEntry } from '../entries.ts';
import { type Filter, SOLO } from '../filter.ts';
import { isReplaceRelated, replaces as isReplacing } from '../preemption.ts';

/** Replaces=: no two units share the machine of which one replaces the other. */
export const replaces: Filter = {
  reason(unit, { machine, holding, ignored, preempts }) {
    if (!mayReplace(unit, machine)) return undefined;
    for (const other of machine.units) {
      if (other === unit || ignored.has(other)) continue;
      if (isReplacing(other, unit)) return `${other.name}, which is here, replaces it`;
      if (!isReplacing(unit, other)) continue;
      if (!holding) return `${other.name}, which it replaces, is here`;
      preempts.add(other);
    }
    return undefined;
  },
  key: (unit) => (isReplaceRelated(unit) ? SOLO : undefined),
  wakes: ['unitLeft', 'replacingChanged'],
};

/** A cheap test: false only when no unit on the machine, not even this one, is replaced either way. */
function mayReplace(unit: UnitEntry, machine: MachineEntry): boolean {
  for (const glob of unit.replaces) if (machine.matched.has(glob)) return true;
  if (machine.replacing.size > 0) {
    for (const glob of unit.matches) if (machine.replacing.has(glob)) return true;
  }
  return false;
}
