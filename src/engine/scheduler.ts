import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Change } from '../cluster/index.ts';
import type { Machine, Placement, Unit } from '../model/index.ts';
import { Agenda, type Woken } from './agenda.ts';
import { ClusterState } from './cluster-state.ts';
import { obstacleAmong, reasonAgainstAll, reconcileColocated } from './colocated.ts';
import { Colocation } from './colocation.ts';
import { type Decision, DecisionList } from './decision-list.ts';
import { byName, type MachineEntry, type UnitEntry } from './entries.ts';
import { isWokenBy, reasonAgainst } from './filters.ts';
import { type PendingClass, PendingUnits } from './pending-units.ts';
import { NONE, Placer } from './placer.ts';
import { isReplaceRelated, replaces, rivalOf, rivalReason } from './preemption.ts';

/** A unit that is to run and that no machine can take. */
export interface PendingUnit {
  readonly unit: string;
  /** The reason of each machine, by its id. Computed when it is read, from what the scheduler knows then. */
  readonly because: ReadonlyMap<string, string>;
}

export interface Schedule {
  /** In the order in which they are to be committed. */
  readonly decisions: readonly Decision[];
  /** By name; computed when it is read. */
  readonly pending: readonly PendingUnit[];
}

/** Whether one machine could have a unit. */
export interface Suitability {
  readonly machineId: string;
  /** Why the unit cannot be there; undefined when it could be, or is. */
  readonly reason: string | undefined;
  /** How many units are placed there. */
  readonly units: number;
}

/** When more machines changed than this, pending units try all machines by load, which is cheaper than each changed one. */
const MANY_MACHINES = 32;

/**
 * Decides where units run. The caller tells it of changes, and it reconsiders only the units that they touch; told
 * everything at once, it schedules from nothing. It is pure: the same history gives the same decisions.
 *
 * `schedule` assumes that its decisions are committed. A caller that cannot commit them must throw the scheduler away and
 * feed a new one with the whole cluster. What it is told must be newer than its last decisions, or contain them.
 */
export class Scheduler {
  readonly #state = new ClusterState();
  readonly #agenda = new Agenda(this.#state);
  readonly #pending = new PendingUnits();
  readonly #decisions = new DecisionList();
  readonly #placer: Placer;
  readonly #colocation = new Colocation(this.#state);
  /** Units that were set or removed since the last schedule. */
  #changedUnits = new Map<string, Unit | undefined>();
  /** How often units were reconciled in this schedule, to stop with an error should units ever chase each other. */
  #reconciled = 0;

  constructor() {
    this.#placer = new Placer({
      state: this.#state,
      agenda: this.#agenda,
      pending: this.#pending,
      decisions: this.#decisions,
    });
  }

  /** Tells the scheduler of a change in a view; it ignores those that do not matter to scheduling. */
  apply(change: Change): void {
    if (change.kind === 'unit') this.setUnit(change.name, change.after);
    else if (change.kind === 'machine') this.setMachine(change.id, change.after);
    else if (change.kind === 'placement') this.setPlacement(change.unit, change.machine, change.after);
  }

  /** Tells the scheduler what the unit is now; undefined: it was destroyed. */
  setUnit(name: string, unit: Unit | undefined): void {
    this.#changedUnits.set(name, unit);
  }

  /** Tells the scheduler that the machine is there, or (undefined) gone for good: its units are placed elsewhere. */
  setMachine(id: string, machine: Machine | undefined): void {
    const entry = this.#state.machineEntry(id);
    const before = entry.machine;
    this.#state.setMachine(entry, machine);
    for (const unit of entry.units) this.#agenda.mark(unit, entry);
    if (!machine) this.#agenda.wake('machineGone');
    else if (!isDeepStrictEqual(before, machine)) this.#agenda.wake('machineCame', entry);
  }

  /**
   * Tells the scheduler that the machine is absent and given time to come back: its units stay placed on it, and none
   * arrive, until `setMachine` says that it is back or gone.
   */
  awaitMachine(id: string): void {
    this.#state.setMachine(this.#state.machineEntry(id), undefined, true);
    this.#agenda.wake('machineGone');
  }

  /** Tells the scheduler that in the store the unit is (or, undefined, is not) placed on the machine. */
  setPlacement(unit: string, machine: string, placement: Placement | undefined): void {
    const at = placement ? this.#state.machineEntry(machine) : this.#state.machines.get(machine);
    // The scheduler forgot the machine when it removed this placement, the last one on it.
    if (!at) return;
    const entry = this.#state.entry(unit);
    const known = entry.placements.get(at);
    if (placement) {
      this.#state.place(entry, at, placement);
      if (known && known.hash === placement.hash && known.desired === placement.desired) return;
      this.#agenda.placed(entry);
    } else if (known) {
      this.#state.unplace(entry, at);
      this.#agenda.left(entry, at);
    }
    this.#agenda.mark(entry, at);
  }

  /**
   * Does the long part of the next `schedule` in steps of less than a millisecond, since a unit with many globs in a large
   * cluster would hold the event loop. Calling it is optional, and the scheduler may be told of changes between the steps.
   */
  *prepare(): Generator<void> {
    yield* this.#state.forgetReleased();
    // A scheduler that is fed the whole cluster has no names yet with which globs could be compared.
    if (this.#changedUnits.size >= this.#state.units.size) return;
    for (const unit of [...this.#changedUnits.values()]) if (unit) yield* this.#state.prepare(unit.needs);
  }

  /** Returns the decisions that the changes since the last call ask for. */
  schedule(): Schedule {
    this.#takeInUnits();
    this.#reconciled = 0;
    do {
      while (!this.#agenda.isEmpty) for (const unit of this.#agenda.batch()) this.#reconcileTree(unit);
    } while (this.#retryPending());
    const pending = () => this.pending();
    return {
      decisions: this.#decisions.take(),
      get pending() {
        return pending();
      },
    };
  }

  /** Returns the pending units as of the last schedule, by name. */
  pending(): PendingUnit[] {
    return [...this.#pending.units]
      .sort(byName)
      .map((unit) => new LazyPendingUnit(unit.name, () => this.explain(unit.name)));
  }

  /** Returns for every machine, by id, whether it could have the unit; empty for an unknown unit. */
  explain(name: string): Suitability[] {
    this.#takeInUnits();
    const unit = this.#state.units.get(name);
    if (!unit?.unit) return [];
    const members = this.#colocation.of(unit);
    const preempts = new Set<UnitEntry>();
    const rival = rivalOf(unit, preempts);
    const everywhere = rival ? rivalReason(rival) : members.length > 1 ? obstacleAmong(members, preempts) : undefined;
    return [...this.#state.machines.values()]
      .filter(({ machine, awaited }) => machine || awaited)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((machine) => ({
        machineId: machine.id,
        reason: everywhere ?? this.#reasonAgainst(members, machine),
        units: machine.units.size,
      }));
  }

  #reasonAgainst(members: readonly UnitEntry[], machine: MachineEntry): string | undefined {
    const placer = this.#placer;
    if (members.length > 1) {
      return reasonAgainstAll(members, machine, { placer, ignored: new Set(members), preempts: new Set() });
    }
    const [unit] = members;
    const holding = unit!.placements.has(machine);
    const ignored = holding ? NONE : new Set(replacedOn(machine, unit!));
    return reasonAgainst(unit!, placer.trial(machine, { holding, ignored }));
  }

  #takeInUnits(): void {
    const changed = this.#changedUnits;
    if (changed.size > 0) this.#changedUnits = new Map();
    for (const name of changed.keys()) this.#state.entry(name);
    this.#state.indexNames();
    for (const [name, unit] of changed) this.#takeInUnit(this.#state.entry(name), unit);
    this.#state.releaseUnheld();
    // A pending unit leaves its class when a glob begins or ceases to match it: its key is another one.
    for (const unit of this.#state.rematched) if (this.#pending.has(unit)) this.#agenda.mark(unit);
    this.#state.rematched.clear();
  }

  #takeInUnit(entry: UnitEntry, unit: Unit | undefined): void {
    const related = isReplaceRelated(entry);
    const followed = entry.needs.machineOf.length > 0;
    const changed = this.#state.setUnit(entry, unit);
    const follows = entry.needs.machineOf.length > 0 || followed;
    if ((changed || !unit) && (follows || related || isReplaceRelated(entry))) this.#agenda.wake('replacingChanged');
    // `unitLeft` would not reach a global unit that no glob matches any more, so its machines count as changed.
    if (changed) for (const machine of entry.placements.keys()) this.#agenda.wake('machineCame', machine);
    this.#agenda.mark(entry);
  }

  /** Reconciles a unit after the units it follows, then at once the units that this disturbs, all in one group. */
  #reconcileTree(root: UnitEntry): void {
    const agenda = this.#agenda;
    if (!agenda.isDirty(root)) return;
    this.#decisions.begin();
    agenda.forgetDisturbed();
    const stack = [root];
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const base = agenda.isDirty(top) ? this.#dirtyBase(top) : undefined;
      if (base) {
        stack.push(base);
        continue;
      }
      stack.pop();
      if (!agenda.isDirty(top)) continue;
      this.#reconcile(top);
      for (const next of agenda.takeDisturbed().reverse()) stack.push(next);
    }
  }

  /** Returns a unit on the agenda that this one, or a unit colocated with it, follows; it must be reconciled first. */
  #dirtyBase(unit: UnitEntry): UnitEntry | undefined {
    const members = this.#colocation.of(unit);
    for (const member of members) {
      for (const name of member.needs.machineOf) {
        const base = this.#state.units.get(name);
        if (base && this.#agenda.isDirty(base) && !members.includes(base)) return base;
      }
    }
    return undefined;
  }

  #reconcile(unit: UnitEntry): void {
    this.#reconciled++;
    assert(this.#reconciled <= 10_000 + 50 * this.#state.units.size, 'scheduling does not come to rest');
    const members = this.#colocation.of(unit);
    if (members.length === 1) {
      this.#placer.reconcile(unit, this.#agenda.take(unit));
      return;
    }
    const context = { state: this.#state, agenda: this.#agenda, pending: this.#pending, decisions: this.#decisions };
    reconcileColocated(members, context, this.#placer);
  }

  /** Tries pending units again for which a fact changed; returns true when any fact did. */
  #retryPending(): boolean {
    const woken = this.#agenda.takeWoken();
    if (woken.size === 0) return false;
    const machinesOf = machinesByFacts(woken);
    const hopeful: { readonly pending: PendingClass; readonly among: readonly MachineEntry[] | undefined }[] = [];
    for (const pending of this.#pending.classes) {
      const unit = pending.first()!;
      const among = machinesOf(unit);
      if (among && !among.some((machine) => this.#mayFit(unit, machine))) continue;
      if (pending.solo) this.#agenda.mark(unit);
      else hopeful.push({ pending, among });
    }
    hopeful.sort((a, b) => byName(a.pending.first()!, b.pending.first()!));
    for (const { pending, among } of hopeful) this.#placeAll(pending, among);
    return true;
  }

  /** A cheap test, since many units may follow one that is nowhere. False only when the machine cannot have the unit. */
  #mayFit(unit: UnitEntry, machine: MachineEntry): boolean {
    const members = this.#colocation.of(unit);
    return members.length > 1 || this.#reasonAgainst(members, machine) === undefined;
  }

  /** Places units of a class, first by name, until one of them finds no machine. */
  #placeAll(pending: PendingClass, among: readonly MachineEntry[] | undefined): void {
    for (let unit = pending.first(); unit; unit = pending.first()) {
      this.#decisions.begin();
      if (!this.#placer.arrive(unit, { among, anyway: true })) return;
      this.#pending.remove(unit);
    }
  }
}

/** A pending unit whose reasons are computed on demand: for many units on many machines they are a lot of text. */
class LazyPendingUnit implements PendingUnit {
  readonly unit: string;
  readonly #explain: () => Suitability[];

  constructor(unit: string, explain: () => Suitability[]) {
    this.unit = unit;
    this.#explain = explain;
  }

  get because(): ReadonlyMap<string, string> {
    return new Map(this.#explain().map(({ machineId, reason }) => [machineId, reason ?? 'it could be there']));
  }
}

/** Returns a function from a unit to the machines where the facts may have made room for it; undefined: on all. */
function machinesByFacts(woken: Woken): (unit: UnitEntry) => readonly MachineEntry[] | undefined {
  const known = new Map<string, readonly MachineEntry[] | undefined>();
  return (unit) => {
    const facts = [...woken.keys()].filter((fact) => isWokenBy(unit, fact));
    const key = facts.join();
    if (!known.has(key)) {
      const everywhere = facts.some((fact) => woken.get(fact) === undefined);
      const machines = new Set(facts.flatMap((fact) => [...(woken.get(fact) ?? [])]));
      const present = [...machines].filter(({ machine }) => machine);
      known.set(key, everywhere || present.length > MANY_MACHINES ? undefined : present);
    }
    return known.get(key);
  };
}

/** Returns the units on the machine that the unit replaces, so that they make room when it arrives. */
function replacedOn(machine: MachineEntry, unit: UnitEntry): UnitEntry[] {
  if (unit.replaces.length === 0) return [];
  return [...machine.units].filter((other) => replaces(unit, other));
}
