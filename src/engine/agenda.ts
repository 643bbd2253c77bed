import type { ClusterState } from './cluster-state.ts';
import { byName, type MachineEntry, type UnitEntry } from './entries.ts';
import { isReplaceRelated } from './preemption.ts';

/** For a global unit: the machines to look at, or undefined for all of them. */
export type Scope = ReadonlySet<MachineEntry> | undefined;

/** What has to be looked at again, since something changed that may matter to it. */
export class Agenda {
  readonly #state: ClusterState;
  readonly #dirty = new Map<UnitEntry, Set<MachineEntry> | undefined>();
  #disturbed = new Set<UnitEntry>();
  #woken = new Set<MachineEntry>();
  #rivalsWoken = false;

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
    if (machine.machine) this.wake(machine);
    if (isReplaceRelated(unit)) this.wakeRivals();
  }

  /** The machine may take what it could not take before. */
  wake(machine: MachineEntry): void {
    this.#woken.add(machine);
    for (const unit of this.#state.globals) {
      if (unit.conflicts.length > 0 || unit.matches.size > 0) this.mark(unit, machine);
    }
  }

  /** Units that waited because of a Replaces= may have a place now. */
  wakeRivals(): void {
    this.#rivalsWoken = true;
  }

  /** What was woken since the last call. */
  takeWoken(): { machines: MachineEntry[]; rivals: boolean } {
    const machines = [...this.#woken].filter(({ machine }) => machine);
    const rivals = this.#rivalsWoken;
    this.#woken = new Set();
    this.#rivalsWoken = false;
    return { machines, rivals };
  }
}

function phase({ wanted, placements }: UnitEntry): number {
  return wanted ? (placements.size > 0 ? 1 : 2) : 0;
}
