import type { ClusterState } from './cluster-state.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';

/** A machine being looked at for a unit. */
export interface Trial {
  readonly state: ClusterState;
  machine: MachineEntry;
  /** The unit is placed there already, and only leaves for a reason of its own; else it would have to arrive. */
  holding: boolean;
  /** Units taken for absent: those that come along, or that make room. */
  readonly ignored: ReadonlySet<UnitEntry>;
  /** While holding: units found there which cannot stay, since this one does. */
  readonly preempts: Set<UnitEntry>;
}

/** Says in words why the unit cannot be on the machine; undefined when nothing is in the way. */
type Filter = (unit: UnitEntry, trial: Trial) => string | undefined;

/** In the order in which their reasons are worth telling. */
const FILTERS: readonly Filter[] = [
  presenceFilter,
  machineIdFilter,
  metadataFilter,
  machineOfFilter,
  conflictsFilter,
  replacesFilter,
];

/** The first reason that any filter has. */
export function reasonAgainst(unit: UnitEntry, trial: Trial): string | undefined {
  for (const filter of FILTERS) {
    const reason = filter(unit, trial);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function presenceFilter(_unit: UnitEntry, { machine, holding }: Trial): string | undefined {
  if (machine.machine || (holding && machine.awaited)) return undefined;
  return machine.awaited ? 'the machine is away and given time to come back' : 'the machine is gone';
}

function machineIdFilter({ needs: { machineId } }: UnitEntry, { state, machine, holding }: Trial) {
  if (machineId === undefined || machine.id === machineId) return undefined;
  if (!machine.id.startsWith(machineId)) return otherMachine(machineId, state);
  // A machine that joins and shares the prefix is no reason to move what runs.
  if (holding) return undefined;
  const [, second] = state.machinesWithPrefix(machineId);
  return second ? `MachineID=${machineId} is the beginning of more than one machine's id` : undefined;
}

function otherMachine(machineId: string, state: Trial['state']): string {
  const [first] = state.machinesWithPrefix(machineId);
  return first === undefined
    ? `MachineID=${machineId} is the beginning of no machine's id`
    : `MachineID=${machineId} names another machine`;
}

function metadataFilter({ needs: { metadata } }: UnitEntry, { machine: { machine } }: Trial): string | undefined {
  if (!machine) return undefined;
  for (const key in metadata) {
    const wanted = metadata[key]!;
    const value = Object.hasOwn(machine.metadata, key) ? machine.metadata[key]! : undefined;
    if (value !== undefined && wanted.includes(value)) continue;
    const has = value === undefined ? `no ${key} at all` : `${key}=${value}`;
    return `MachineMetadata asks for ${wanted.map((one) => `${key}=${one}`).join(' or ')}, the machine has ${has}`;
  }
  return undefined;
}

function machineOfFilter({ needs: { machineOf } }: UnitEntry, { state, machine, ignored }: Trial) {
  for (const name of machineOf) {
    const base = state.units.get(name);
    if (base?.placements.has(machine) || (base && ignored.has(base))) continue;
    if (!base?.unit) return `MachineOf=${name}: there is no such unit`;
    return base.placements.size === 0
      ? `MachineOf=${name}: that unit is not on any machine`
      : `MachineOf=${name}: that unit is not on this machine`;
  }
  return undefined;
}

function conflictsFilter(unit: UnitEntry, trial: Trial): string | undefined {
  const { machine, holding, ignored, preempts } = trial;
  if (!mayConflict(unit, machine)) return undefined;
  for (const other of machine.units) {
    if (other === unit || ignored.has(other)) continue;
    const glob = conflictBetween(unit, other);
    if (glob === undefined) continue;
    if (!holding || isPreemptedBy(unit, other, machine)) return `conflicts with ${other.name}, which is here (${glob})`;
    preempts.add(other);
  }
  return undefined;
}

/** Cheap: false only when no unit on the machine, not even this one, is matched either way. */
function mayConflict(unit: UnitEntry, machine: MachineEntry): boolean {
  for (const glob of unit.conflicts) if (machine.matched.has(glob)) return true;
  if (machine.conflicting.size > 0) {
    for (const glob of unit.matches) if (machine.conflicting.has(glob)) return true;
  }
  return false;
}

/** Whose Conflicts= forbids the two to share a machine, in words. */
export function conflictBetween(unit: UnitEntry, other: UnitEntry): string | undefined {
  for (const glob of unit.conflicts) if (other.matches.has(glob)) return `its own Conflicts=${glob.text}`;
  for (const glob of other.conflicts) if (unit.matches.has(glob)) return `Conflicts=${glob.text} of ${other.name}`;
  return undefined;
}

function replacesFilter(unit: UnitEntry, trial: Trial): string | undefined {
  const { machine, holding, ignored, preempts } = trial;
  if (!mayReplace(unit, machine)) return undefined;
  for (const other of machine.units) {
    if (other === unit || ignored.has(other)) continue;
    if (replaces(other, unit)) return `${other.name}, which is here, replaces it`;
    if (!replaces(unit, other)) continue;
    if (!holding) return `${other.name}, which it replaces, is here`;
    preempts.add(other);
  }
  return undefined;
}

function mayReplace(unit: UnitEntry, machine: MachineEntry): boolean {
  for (const glob of unit.replaces) if (machine.matched.has(glob)) return true;
  if (machine.replacing.size > 0) {
    for (const glob of unit.matches) if (machine.replacing.has(glob)) return true;
  }
  return false;
}

/** True when the first one's Replaces= means the other. Global units run everywhere and cannot be moved elsewhere. */
export function replaces(unit: UnitEntry, other: UnitEntry): boolean {
  if (unit === other || unit.needs.global || other.needs.global) return false;
  for (const glob of unit.replaces) if (other.matches.has(glob)) return true;
  return false;
}

/**
 * Of two placed units that cannot be together, whether the first has to go. What is not to run goes first, then the one
 * whose file changed, then the global one, then the later by name; so just one of two has to.
 */
export function isPreemptedBy(unit: UnitEntry, other: UnitEntry, machine?: MachineEntry): boolean {
  if (unit.wanted !== other.wanted) return other.wanted;
  const changed = hasChanged(unit, machine);
  if (changed !== hasChanged(other, machine)) return changed;
  if (unit.needs.global !== other.needs.global) return unit.needs.global;
  return unit.name > other.name;
}

/** True while the placement (there, or anywhere) is still that of an earlier file. */
function hasChanged({ unit, placements }: UnitEntry, machine?: MachineEntry): boolean {
  if (machine) return placements.get(machine)?.hash !== unit?.hash;
  for (const placement of placements.values()) if (placement.hash !== unit?.hash) return true;
  return false;
}
