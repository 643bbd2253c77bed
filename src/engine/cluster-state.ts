import { isDeepStrictEqual } from 'node:util';
import { isTemplateName, type Machine, type Needs, NO_NEEDS, type Placement, type Unit } from '../model/index.ts';
import type { Glob, MachineEntry, UnitEntry } from './entries.ts';
import { GlobIndex, lowerBound, NO_GLOBS } from './glob-index.ts';
import { MachinePools, poolKey } from './machine-pools.ts';

/** Units, machines and placements, with indexes so that a change costs only what it touches. It decides nothing. */
export class ClusterState {
  readonly units = new Map<string, UnitEntry>();
  readonly machines = new Map<string, MachineEntry>();
  readonly pools = new MachinePools();
  /** Global units that exist. */
  readonly globals = new Set<UnitEntry>();
  /** Incremented whenever a MachineOf= edge may have come or gone. */
  edgesVersion = 0;
  /** Units whose matching globs changed since the caller last emptied it. */
  readonly rematched = new Set<UnitEntry>();
  readonly #followers = new Map<string, Set<UnitEntry>>();
  readonly #globs = new GlobIndex((unit, glob, change) => {
    this.rematched.add(unit);
    for (const machine of unit.placements.keys()) count(machine.matched, glob, change);
  });
  readonly #newNames = new Map<string, UnitEntry>();
  #machineIds: string[] = [];

  /** Returns the unit's entry, made when there is none; `indexNames` must be called before a new one is used. */
  entry(name: string): UnitEntry {
    let entry = this.units.get(name);
    if (!entry) {
      entry = {
        name,
        unit: undefined,
        needs: NO_NEEDS,
        wanted: false,
        placements: new Map(),
        conflicts: [],
        replaces: [],
        matches: NO_GLOBS,
        poolKey: '',
      };
      this.units.set(name, entry);
      this.#newNames.set(name, entry);
    }
    return entry;
  }

  /** Finds the globs that match the entries made since the last call, with one sort for all of them. */
  indexNames(): void {
    if (this.#newNames.size === 0) return;
    this.#globs.addNames([...this.#newNames.values()]);
    this.#newNames.clear();
  }

  /** Sets what is known of the unit; returns true when its needs changed. */
  setUnit(entry: UnitEntry, unit: Unit | undefined): boolean {
    const { needs } = entry;
    const next = unit?.needs ?? NO_NEEDS;
    entry.unit = unit;
    entry.wanted = unit !== undefined && unit.desired !== 'inactive' && !isTemplateName(entry.name);
    if (unit && next.global) this.globals.add(entry);
    else this.globals.delete(entry);
    if (next === needs || isDeepStrictEqual(next, needs)) return false;
    entry.needs = next;
    entry.poolKey = poolKey(next.metadata);
    this.#setFollowed(entry, needs.machineOf, next.machineOf);
    this.#setGlobs(entry, next);
    return true;
  }

  /** Forgets the entry when neither the unit nor a placement of it is left. */
  forget(entry: UnitEntry): void {
    if (entry.unit || entry.placements.size > 0) return;
    this.units.delete(entry.name);
    this.#newNames.delete(entry.name);
    this.#globs.removeName(entry);
  }

  #setFollowed(entry: UnitEntry, before: readonly string[], after: readonly string[]): void {
    if (before.length + after.length > 0) this.edgesVersion++;
    for (const base of before) {
      const followers = this.#followers.get(base);
      followers?.delete(entry);
      if (followers?.size === 0) this.#followers.delete(base);
    }
    for (const base of after) {
      const followers = this.#followers.get(base);
      if (followers) followers.add(entry);
      else this.#followers.set(base, new Set([entry]));
    }
  }

  #setGlobs(entry: UnitEntry, needs: Needs): void {
    if (entry.conflicts.length + entry.replaces.length + needs.conflicts.length + needs.replaces.length === 0) return;
    const before = [...entry.conflicts, ...entry.replaces];
    for (const machine of entry.placements.keys()) countHeld(machine, entry, -1);
    for (const glob of entry.conflicts) glob.conflictHolders.delete(entry);
    for (const glob of entry.replaces) glob.replaceHolders.delete(entry);
    entry.conflicts = needs.conflicts.map((text) => this.#globs.acquire(text));
    entry.replaces = needs.replaces.map((text) => this.#globs.acquire(text));
    for (const glob of entry.conflicts) glob.conflictHolders.add(entry);
    for (const glob of entry.replaces) glob.replaceHolders.add(entry);
    for (const machine of entry.placements.keys()) countHeld(machine, entry, 1);
    for (const glob of before) this.#globs.release(glob);
  }

  /** Does the long part of the next `setUnit` in steps (GlobIndex.prepare). */
  *prepare({ conflicts, replaces }: Needs): Generator<void> {
    for (const text of [...conflicts, ...replaces]) {
      const steps = this.#globs.prepare(text);
      while (steps !== undefined && !steps.next().done) yield;
    }
  }

  /** Does the long part of what `setUnit` and `forget` left, in steps (GlobIndex.forgetReleased). */
  forgetReleased(): Generator<void> {
    return this.#globs.forgetReleased();
  }

  /** Forgets the globs that were prepared and then not needed. */
  releaseUnheld(): void {
    this.#globs.releaseUnheld();
  }

  /** Returns the units that name this one in MachineOf=. */
  followers(name: string): ReadonlySet<UnitEntry> {
    return this.#followers.get(name) ?? NO_UNITS;
  }

  /** Returns the machine's entry, made as that of a machine that is gone when there is none. */
  machineEntry(id: string): MachineEntry {
    let entry = this.machines.get(id);
    if (!entry) {
      entry = {
        id,
        machine: undefined,
        awaited: false,
        units: new Set(),
        matched: new Map(),
        conflicting: new Map(),
        replacing: new Map(),
      };
      this.machines.set(id, entry);
    }
    return entry;
  }

  /** Sets what is known of the machine: there, gone, or gone and awaited. */
  setMachine(entry: MachineEntry, machine: Machine | undefined, awaited = false): void {
    const at = lowerBound(this.#machineIds, entry.id);
    if (machine && !entry.machine) this.#machineIds.splice(at, 0, entry.id);
    if (!machine && entry.machine) this.#machineIds.splice(at, 1);
    entry.machine = machine;
    entry.awaited = awaited;
    if (machine) this.pools.set(entry);
    else this.pools.delete(entry);
    this.#forgetMachine(entry);
  }

  /** Returns the machines that are there and whose id begins with `prefix`. */
  *machinesWithPrefix(prefix: string): Iterable<MachineEntry> {
    for (let at = lowerBound(this.#machineIds, prefix); this.#machineIds[at]?.startsWith(prefix); at++) {
      yield this.machines.get(this.#machineIds[at]!)!;
    }
  }

  /** Records a placement, or replaces the one that is known. */
  place(unit: UnitEntry, machine: MachineEntry, placement: Placement): void {
    const isNew = !unit.placements.has(machine);
    unit.placements.set(machine, placement);
    if (!isNew) return;
    machine.units.add(unit);
    for (const glob of unit.matches) count(machine.matched, glob, 1);
    countHeld(machine, unit, 1);
    this.pools.loadChanged(machine);
  }

  unplace(unit: UnitEntry, machine: MachineEntry): void {
    if (!unit.placements.delete(machine)) return;
    machine.units.delete(unit);
    for (const glob of unit.matches) count(machine.matched, glob, -1);
    countHeld(machine, unit, -1);
    this.pools.loadChanged(machine);
    this.#forgetMachine(machine);
  }

  #forgetMachine(entry: MachineEntry): void {
    if (!entry.machine && !entry.awaited && entry.units.size === 0) this.machines.delete(entry.id);
  }
}

const NO_UNITS: ReadonlySet<UnitEntry> = new Set();

function countHeld(machine: MachineEntry, unit: UnitEntry, change: 1 | -1): void {
  for (const glob of unit.conflicts) count(machine.conflicting, glob, change);
  for (const glob of unit.replaces) count(machine.replacing, glob, change);
}

function count(counts: Map<Glob, number>, glob: Glob, change: 1 | -1): void {
  const next = (counts.get(glob) ?? 0) + change;
  if (next === 0) counts.delete(glob);
  else counts.set(glob, next);
}
