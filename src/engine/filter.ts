import type { ClusterState } from './cluster-state.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';

/**
 * One rule by which a machine cannot have a unit. All filters stand in `filters.ts`; everything that must know of a filter
 * follows from these three fields.
 */
export interface Filter {
  /** Returns why the unit cannot be on the trial's machine, in words a user is shown; undefined when it can. */
  reason(unit: UnitEntry, trial: Trial): string | undefined;
  /**
   * Everything that `reason` reads of the unit, as a text without NUL. Pending units with equal keys in all filters form
   * one class: as soon as one of them finds no machine, the others are not tried. Undefined when the filter never refuses
   * this unit; SOLO when the unit must be tried by itself.
   */
  key(unit: UnitEntry): string | typeof SOLO | undefined;
  /** The facts that can lift a refusal; when one of them changes, the pending units that have a key are tried again. */
  readonly wakes: readonly Fact[];
}

/** The key of a unit whose place depends on where certain other units are, so that it has no equals. */
export const SOLO = Symbol('solo');

/**
 * What can change so that a pending unit finds a machine.
 *
 * - `machineCame`: a machine joined, or its record changed, or the needs of a unit on it. Units are tried on that machine.
 * - `unitLeft`: a unit left a machine. Units are tried on that machine.
 * - `machineGone`: a machine died or is awaited. Units are tried on all the others.
 * - `replacingChanged`: a unit that replaces others or is replaced left a machine or changed. Units are tried everywhere.
 *
 * Followers need no fact: whenever a unit that they name comes or goes, they are looked at, since they may have to leave.
 */
export type Fact = 'machineCame' | 'unitLeft' | 'machineGone' | 'replacingChanged';

/** One machine tried for one unit, and under which assumptions. */
export interface Trial {
  readonly state: ClusterState;
  readonly machine: MachineEntry;
  /** True when the unit is placed there already, and only leaves for a reason of its own; else it would have to arrive. */
  readonly holding: boolean;
  /** Units taken for absent: they come along, or make room. */
  readonly ignored: ReadonlySet<UnitEntry>;
  /** While `holding`, a filter adds the units found there which cannot stay, since this one does. */
  readonly preempts: Set<UnitEntry>;
}
