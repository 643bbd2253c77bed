import type { ClusterState } from './cluster-state.ts';
import { byName, type MachineEntry, type UnitEntry } from './entries.ts';
import type { Fact } from './filter.ts';
import { isWokenBy } from './filters.ts';
import { isReplaceRelated } from './preemption.ts';

/** For a global unit: the machines to look at, or undefined for all of them. */
export type Scope = ReadonlySet<MachineEntry> | undefined;

export type Woken = ReadonlyMap<Fact, ReadonlySet<MachineEntry> | undefined>;

/** What has to be looked at again, since something changed that may matter to it. */
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

  /** Look at the unit again; with `machine`, for a global unit, only there. */
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

  /** Takes the unit off the agenda. */
  take(unit: UnitEntry): Scope {
    const scope = this.#dirty.get(unit);
    this.#dirty.delete(unit);
    this.#disturbed.delete(unit);
    return scope;
  }

  /** All there is: first what goes, then what is placed, then what is new; by name. */
  batch(): UnitEntry[] {
    return [...this.#dirty.keys()].sort((a, b) => phase(a) - phase(b) || byName(a, b));
  }

  /** Non-global units marked since the last call and not taken, by name. */
  takeDisturbed(): UnitEntry[] {
    if (this.#disturbed.size === 0) return [];
    const disturbed = [...this.#disturbed].sort(byName);
    this.#disturbed = new Set();
    return disturbed;
  }

  /** Forgets whom earlier marks disturbed; they stay on the agenda. */
  forgetDisturbed(): void {
    this.#disturbed = new Set();
  }

  /** A unit has come to a machine: whoever follows it may come too, or has to move. */
  placed(unit: UnitEntry): void {
    for (const follower of this.#state.followers(unit.name)) this.mark(follower);
  }

  /** A unit has left a machine: whoever follows it has to leave, and there is room for what it was in the way of. */
  left(unit: UnitEntry, machine: MachineEntry): void {
    for (const follower of this.#state.followers(unit.name)) this.mark(follower);
    if (machine.machine) this.wake('unitLeft', machine);
    if (isReplaceRelated(unit)) this.wake('replacingChanged');
  }

  /** Global units and pending ones which the fact concerns are to be tried again: on the machine, or (undefined) on all. */
  wake(fact: Fact, machine?: MachineEntry): void {
    const machines = this.#woken.get(fact);
    if (!machine) this.#woken.set(fact, undefined);
    else if (machines) machines.add(machine);
    else if (!this.#woken.has(fact)) this.#woken.set(fact, new Set([machine]));
    for (const unit of this.#state.globals) if (isWokenBy(unit, fact)) this.mark(unit, machine);
  }

  /** The facts since the last call, each with the machines where it can matter, or undefined for all of them. */
  takeWoken(): Woken {
    const woken = this.#woken;
    this.#woken = new Map();
    return woken;
  }
}

function phase({ wanted, placements }: UnitEntry): number {
  return wanted ? (placements.size > 0 ? 1 : 2) : 0;
}
