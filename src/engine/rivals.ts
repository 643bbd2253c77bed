import { byName, type Glob, type UnitEntry } from './entries.ts';
import { replaces, yieldsTo } from './filters.ts';

/** True when Replaces= of this unit or of another plays a part in where it goes. */
export function isReplaceRelated(unit: UnitEntry): boolean {
  if (unit.replaces.length > 0) return true;
  for (const glob of unit.matches) if (glob.replaceHolders.size > 0) return true;
  return false;
}

/**
 * A placed unit because of which this one cannot run anywhere: the two replace each other, directly or round a circle of
 * units, so only one of them runs. For a placed unit, only a rival that it has to yield to; `mustYield` gathers the rest.
 */
export function rivalOf(unit: UnitEntry, mustYield: Set<UnitEntry>): UnitEntry | undefined {
  if (unit.needs.global || !isReplaceRelated(unit)) return undefined;
  for (const other of [...related(unit)].sort(byName)) {
    if (other.placements.size === 0 || !areRivals(unit, other)) continue;
    if (unit.placements.size === 0 || yieldsTo(unit, other)) return other;
    mustYield.add(other);
  }
  return undefined;
}

/** True when each, directly or by way of others, replaces the other. */
export function areRivals(unit: UnitEntry, other: UnitEntry): boolean {
  return (replaces(unit, other) && reaches(other, unit)) || (replaces(other, unit) && reaches(unit, other));
}

/** Units that this one replaces, or that replace it. */
function related(unit: UnitEntry): Set<UnitEntry> {
  const found = new Set<UnitEntry>();
  for (const other of replacedBy(unit)) found.add(other);
  for (const glob of unit.matches) {
    for (const other of glob.replaceHolders) if (replaces(other, unit)) found.add(other);
  }
  return found;
}

/** Units that this one replaces. */
export function* replacedBy(unit: UnitEntry): Iterable<UnitEntry> {
  for (const glob of unit.replaces) {
    for (const other of glob.matching) if (replaces(unit, other)) yield other;
  }
}

/** True when a chain of Replaces= leads from one unit to the other. */
function reaches(from: UnitEntry, to: UnitEntry): boolean {
  if (replaces(from, to)) return true;
  const seen = new Set([from]);
  const globs = new Set<Glob>();
  for (const unit of seen) {
    for (const glob of unit.replaces) {
      if (globs.has(glob)) continue;
      globs.add(glob);
      for (const other of glob.matching as Set<UnitEntry>) {
        if (other === to && replaces(unit, to)) return true;
        if (replaces(unit, other)) seen.add(other);
      }
    }
  }
  return false;
}
