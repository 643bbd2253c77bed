import { compareText } from '../lib/index.ts';
import type { Machine, Needs, Placement, Unit } from '../model/index.ts';

/** What the scheduler knows of one unit; it stays until both the unit and its last placement are gone. */
export interface UnitEntry {
  readonly name: string;
  /** Undefined once destroyed. */
  unit: Unit | undefined;
  /** NO_NEEDS once destroyed. */
  needs: Needs;
  /** True when it is to be placed: it exists, is no template, and its desired state is not inactive. */
  wanted: boolean;
  readonly placements: Map<MachineEntry, Placement>;
  conflicts: readonly Glob[];
  replaces: readonly Glob[];
  /** Globs of other units (or its own) that match this name. */
  matches: Set<Glob>;
  /** The name of the machine pool with the metadata that it needs. */
  poolKey: string;
}

/** What the scheduler knows of one machine; it stays until both the machine and the last placement on it are gone. */
export interface MachineEntry {
  readonly id: string;
  /** Undefined once gone. */
  machine: Machine | undefined;
  /** True while it is gone but given time to come back: units placed here stay, and none arrive. */
  awaited: boolean;
  readonly units: Set<UnitEntry>;
  /** For each glob: units here that it matches, that hold it in Conflicts=, and that hold it in Replaces=. */
  readonly matched: Map<Glob, number>;
  readonly conflicting: Map<Glob, number>;
  readonly replacing: Map<Glob, number>;
}

/** A glob that some unit's Conflicts= or Replaces= holds. */
export interface Glob {
  readonly id: number;
  readonly text: string;
  /** The text before the first wildcard, with which every matching name begins. */
  readonly prefix: string;
  readonly conflictHolders: Set<UnitEntry>;
  readonly replaceHolders: Set<UnitEntry>;
  readonly matching: Set<UnitEntry>;
}

/** Compares by name. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return compareText(a.name, b.name);
}

/** Compares by id. */
export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return compareText(a.id, b.id);
}

/** Compares by load: fewest units first, ties by id. */
export function byLoad(a: MachineEntry, b: MachineEntry): number {
  return a.units.size - b.units.size || byId(a, b);
}
