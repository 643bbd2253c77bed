import type { ClusterState } from './cluster-state.ts';
import { byName, type UnitEntry } from './entries.ts';

/**
 * Finds the units that follow each other (MachineOf=), directly or round a circle, and so can only be placed together: the
 * strongly connected components. Results are kept until some MachineOf= changes.
 */
export class Colocation {
  readonly #state: ClusterState;
  #known = new Map<UnitEntry, readonly UnitEntry[]>();
  #version = -1;

  constructor(state: ClusterState) {
    this.#state = state;
  }

  /** Returns the unit and those it must be placed together with, by name; nearly always the unit alone. */
  of(unit: UnitEntry): readonly UnitEntry[] {
    if (unit.needs.machineOf.length === 0 || this.#state.followers(unit.name).size === 0) return [unit];
    if (this.#version !== this.#state.edgesVersion) {
      this.#known = new Map();
      this.#version = this.#state.edgesVersion;
    }
    if (!this.#known.has(unit)) this.#explore(unit);
    return this.#known.get(unit)!;
  }

  /** Tarjan's algorithm with a stack of its own: a chain may be longer than JavaScript's call stack is deep. */
  #explore(root: UnitEntry): void {
    const indexes = new Map<UnitEntry, number>();
    const low = new Map<UnitEntry, number>();
    const open: UnitEntry[] = [];
    const isOpen = new Set<UnitEntry>();
    const path: { unit: UnitEntry; bases: UnitEntry[] }[] = [];
    const enter = (unit: UnitEntry) => {
      indexes.set(unit, indexes.size);
      low.set(unit, indexes.size - 1);
      open.push(unit);
      isOpen.add(unit);
      path.push({ unit, bases: this.#bases(unit) });
    };
    enter(root);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const { unit, bases } = top;
      const base = bases.pop();
      if (base && !indexes.has(base) && !this.#known.has(base)) {
        enter(base);
      } else if (base) {
        if (isOpen.has(base)) low.set(unit, Math.min(low.get(unit)!, indexes.get(base)!));
      } else {
        path.pop();
        const parent = path.at(-1)?.unit;
        if (parent) low.set(parent, Math.min(low.get(parent)!, low.get(unit)!));
        if (low.get(unit) === indexes.get(unit)) this.#close(unit, open, isOpen);
      }
    }
  }

  #close(root: UnitEntry, open: UnitEntry[], isOpen: Set<UnitEntry>): void {
    const component = open.splice(open.lastIndexOf(root)).sort(byName);
    for (const unit of component) {
      isOpen.delete(unit);
      this.#known.set(unit, component);
    }
  }

  #bases(unit: UnitEntry): UnitEntry[] {
    return unit.needs.machineOf.flatMap((name) => {
      const base = this.#state.units.get(name);
      return base && base !== unit && !base.needs.global ? [base] : [];
    });
  }
}
