import type { ClusterState } from './cluster-state.ts';
import { byName, type MachineEntry, type UnitEntry } from './entries.ts';

/** Returns true when Replaces= of this unit or of another plays a part in where it goes. */
export function isReplaceRelated(unit: UnitEntry): boolean {
  if (unit.replaces.length > 0) return true;
  for (const glob of unit.matches) if (glob.replaceHolders.size > 0) return true;
  return false;
}

/** Returns true when the first unit replaces the other. Global units take no part: they have no other machine to go to. */
export function replaces(unit: UnitEntry, other: UnitEntry): boolean {
  if (unit === other || unit.needs.global || other.needs.global) return false;
  for (const glob of unit.replaces) if (other.matches.has(glob)) return true;
  return false;
}

/**
 * Of two placed units that cannot be together, returns true when the first has to leave: the one that is not to run, else
 * the one whose file changed, else the global one, else the later by name. So exactly one of the two has to.
 */
export function isPreemptedBy(unit: UnitEntry, other: UnitEntry, machine?: MachineEntry): boolean {
  if (unit.wanted !== other.wanted) return other.wanted;
  const changed = hasChanged(unit, machine);
  if (changed !== hasChanged(other, machine)) return changed;
  if (unit.needs.global !== other.needs.global) return unit.needs.global;
  return unit.name > other.name;
}

/** Returns true while the placement (on `machine`, or any) is still that of an earlier file. */
function hasChanged({ unit, placements }: UnitEntry, machine?: MachineEntry): boolean {
  if (machine) return placements.get(machine)?.hash !== unit?.hash;
  for (const placement of placements.values()) if (placement.hash !== unit?.hash) return true;
  return false;
}

/**
 * Returns a placed unit because of which this one cannot run anywhere: the two replace each other, so only one of them
 * runs. For a placed unit, returns only a rival that preempts it, and adds those that it preempts to `preempts`.
 */
export function rivalOf(unit: UnitEntry, preempts: Set<UnitEntry>): UnitEntry | undefined {
  if (unit.replaces.length === 0) return undefined;
  for (const other of rivalsOf(unit)) {
    if (unit.placements.size === 0 || isPreemptedBy(unit, other)) return other;
    preempts.add(other);
  }
  return undefined;
}

/** Returns the placed units that replace this one and are replaced by it, by name. It asks the few holders of globs. */
function rivalsOf(unit: UnitEntry): UnitEntry[] {
  const rivals = new Set<UnitEntry>();
  for (const glob of unit.matches) {
    for (const other of glob.replaceHolders) {
      if (other.placements.size > 0 && replaces(other, unit) && replaces(unit, other)) rivals.add(other);
    }
  }
  return [...rivals].sort(byName);
}

/** Returns the units that this one replaces, each once. */
export function* replacedBy(unit: UnitEntry): Iterable<UnitEntry> {
  const seen = new Set<UnitEntry>();
  for (const glob of unit.replaces) {
    for (const other of glob.matching) {
      if (seen.has(other) || !replaces(unit, other)) continue;
      seen.add(other);
      yield other;
    }
  }
}

/**
 * Returns true when moving the first unit could move the second: a moved unit may preempt those that it replaces, and its
 * followers move along. A unit must not preempt one that could move it in turn, or they would chase each other for ever.
 */
export function mayMove(from: UnitEntry, to: UnitEntry, state: ClusterState): boolean {
  const seen = new Set([from]);
  for (const unit of seen) {
    if (unit === to) return true;
    for (const follower of state.followers(unit.name)) seen.add(follower);
    for (const other of replacedBy(unit)) seen.add(other);
  }
  return false;
}

/** Returns why a unit cannot run at all while its rival does, in words a user is shown. */
export function rivalReason(rival: UnitEntry): string {
  return `it and ${rival.name} replace each other, so only one of them runs, and ${rival.name} does already`;
}
