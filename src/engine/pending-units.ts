import { byName, type UnitEntry } from './entries.ts';
import { classKey } from './filters.ts';

/** Pending units that no filter can tell apart: when one of them finds no machine, none does. */
export class PendingClass {
  readonly key: string;
  /** True for the class of one unit whose place depends on where certain other units are. */
  readonly solo: boolean;
  readonly units = new Set<UnitEntry>();
  /** In descending order of names; may hold units that are no longer pending. */
  #sorted: UnitEntry[] = [];
  #added: UnitEntry[] = [];

  constructor(key: string, solo: boolean) {
    this.key = key;
    this.solo = solo;
  }

  add(unit: UnitEntry): void {
    this.units.add(unit);
    this.#added.push(unit);
  }

  /** Returns the first unit by name. */
  first(): UnitEntry | undefined {
    if (this.#added.length > 0) {
      this.#sorted = [...this.#sorted, ...this.#added].sort((a, b) => byName(b, a));
      this.#added = [];
    }
    for (let last = this.#sorted.at(-1); last; last = this.#sorted.at(-1)) {
      if (this.units.has(last)) return last;
      this.#sorted.pop();
    }
    return undefined;
  }
}

/** The units to be placed that no machine can have, by class. */
export class PendingUnits {
  readonly #classes = new Map<string, PendingClass>();
  readonly #classOf = new Map<UnitEntry, PendingClass>();

  get units(): MapIterator<UnitEntry> {
    return this.#classOf.keys();
  }

  get classes(): MapIterator<PendingClass> {
    return this.#classes.values();
  }

  has(unit: UnitEntry): boolean {
    return this.#classOf.has(unit);
  }

  add(unit: UnitEntry): void {
    this.remove(unit);
    const common = classKey(unit);
    const key = common ?? `=${unit.name}`;
    let group = this.#classes.get(key);
    if (!group) {
      group = new PendingClass(key, common === undefined);
      this.#classes.set(key, group);
    }
    group.add(unit);
    this.#classOf.set(unit, group);
  }

  remove(unit: UnitEntry): void {
    const group = this.#classOf.get(unit);
    if (!group) return;
    this.#classOf.delete(unit);
    group.units.delete(unit);
    if (group.units.size === 0) this.#classes.delete(group.key);
  }

  /** Returns true when a unit of this one's class is pending, so that there is no machine for this one either. */
  hasLike(unit: UnitEntry): boolean {
    if (this.#classes.size === 0) return false;
    const key = classKey(unit);
    return key !== undefined && this.#classes.has(key);
  }
}
