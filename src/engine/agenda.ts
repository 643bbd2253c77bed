import type { ClusterState } from './cluster-state.ts';
import { byName, type MachineEntry, type UnitEntry } from './entries.ts';
import type { Fact } from './filter.ts';
import { isWokenBy } from './filters.ts';
import { isReplaceRelated } from './preemption.ts';

/** For a global unit: the machines to look at, or undefined for all of them. */
export type Scope = ReadonlySet<MachineEntry> | undefined;

/** Facts that changed, each with the machines where it can matter, or undefined for all machines. */
export type Woken = ReadonlyMap<Fact, ReadonlySet<MachineEntry> | undefined>;

/** The scheduler's work queue: units to be reconciled, since something changed that may matter to them. */
export class Agenda {
  readonly #state: ClusterState;
  readonly #dirty = new Map<UnitEntry, Set<MachineEntry> | undefined>();
  #disturbed = new Set<UnitEntry>();
  #woken = new Map<Fact, Set<MachineEntry> | undefined>();

  constructor(state: ClusterState) {
    this.#state = state;
  }

  get isEmpty(): boolean {
    return this.#dirty.size === 0;
  }

  /** Puts the unit on the agenda; a global unit with `machine` only for that machine. */
  mark(unit: UnitEntry, machine?: MachineEntry): void {
    if (!unit.needs.global) this.#disturbed.add(unit);
    if (!machine || !unit.needs.global) {
      this.#dirty.set(unit, undefined);
      return;
    }
    const scope = this.#dirty.get(unit);
    if (scope) scope.add(machine);
    else if (!this.#dirty.has(unit)) this.#dirty.set(unit, new Set([machine]));
  }

  isDirty(unit: UnitEntry): boolean {
    return this.#dirty.has(unit);
  }

  /** Takes the unit off the agenda; returns its scope. */
  take(unit: UnitEntry): Scope {
    const scope = this.#dirty.get(unit);
    this.#dirty.delete(unit);
    this.#disturbed.delete(unit);
    return scope;
  }

  /** Returns all units on the agenda: first those not to run, then those placed, then new ones; each part by name. */
  batch(): UnitEntry[] {
    return [...this.#dirty.keys()].sort((a, b) => phase(a) - phase(b) || byName(a, b));
  }

  /** Returns the non-global units marked since the last call and not taken, by name. */
  takeDisturbed(): UnitEntry[] {
    if (this.#disturbed.size === 0) return [];
    const disturbed = [...this.#disturbed].sort(byName);
    this.#disturbed = new Set();
    return disturbed;
  }

  /** Forgets which units earlier marks disturbed; they stay on the agenda. */
  forgetDisturbed(): void {
    this.#disturbed = new Set();
  }

  /** Marks the followers of a unit that has come to a machine: they may come too, or have to move. */
  placed(unit: UnitEntry): void {
    for (const follower of this.#state.followers(unit.name)) this.mark(follower);
  }

  /** Marks the followers of a unit that has left a machine, since they have to leave, and wakes units it kept away. */
  left(unit: UnitEntry, machine: MachineEntry): void {
    for (const follower of this.#state.followers(unit.name)) this.mark(follower);
    if (machine.machine) this.wake('unitLeft', machine);
    if (isReplaceRelated(unit)) this.wake('replacingChanged');
  }

  /** Notes a fact: the global and pending units that it concerns are tried again on `machine`, or (undefined) on all. */
  wake(fact: Fact, machine?: MachineEntry): void {
    const machines = this.#woken.get(fact);
    if (!machine) this.#woken.set(fact, undefined);
    else if (machines) machines.add(machine);
    else if (!this.#woken.has(fact)) this.#woken.set(fact, new Set([machine]));
    for (const unit of this.#state.globals) if (isWokenBy(unit, fact)) this.mark(unit, machine);
  }

  /** Returns the facts since the last call. */
  takeWoken(): Woken {
    const woken = this.#woken;
    this.#woken = new Map();
    return woken;
  }
}

function phase({ wanted, placements }: UnitEntry): number {
  return wanted ? (placements.size > 0 ? 1 : 2) : 0;
}
