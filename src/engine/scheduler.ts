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
import { NOBODY, Placer } from './placer.ts';
import { isReplaceRelated, replaces, rivalOf, rivalReason } from './preemption.ts';

/** A unit that is to run and that no machine can take. */
export interface PendingUnit {
  readonly unit: string;
  /** For every machine why not. Worked out when it is read, from what the scheduler knows then. */
  readonly because: ReadonlyMap<string, string>;
}

export interface Schedule {
  /** In the order in which they are to be committed. */
  readonly decisions: readonly Decision[];
  /** By name; put together when it is read. */
  readonly pending: readonly PendingUnit[];
}

/** What one machine means to a unit. */
export interface Suitability {
  readonly machineId: string;
  /** Why the unit cannot be there; undefined when it could, or is. */
  readonly reason: string | undefined;
  /** How many units are placed there. */
  readonly units: number;
}

/** From this many machines on, pending units look at all of them by load instead of at just those that changed. */
const MANY_MACHINES = 32;

/**
 * Decides where units run. It is told of changes and looks again only at what they touch; told everything at once, it
 * schedules from nothing. No clock, no chance, no I/O: the same history gives the same decisions.
 *
 * `schedule` takes its decisions for granted. Whoever cannot commit them must throw the scheduler away and tell a new one
 * everything. All that the scheduler has been told must be newer than its last decisions, or contain them.
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
  /** How often units were reconciled in this schedule: units that chase each other for ever must not take the leader along. */
  #reconciled = 0;

  constructor() {
    this.#placer = new Placer({
      state: this.#state,
      agenda: this.#agenda,
      pending: this.#pending,
      decisions: this.#decisions,
    });
  }

  /** Takes in a change of a view; those that do not matter to scheduling do nothing. */
  apply(change: Change): void {
    if (change.kind === 'unit') this.setUnit(change.name, change.after);
    else if (change.kind === 'machine') this.setMachine(change.id, change.after);
    else if (change.kind === 'placement') this.setPlacement(change.unit, change.machine, change.after);
  }

  /** The unit is now this, or (undefined) destroyed. */
  setUnit(name: string, unit: Unit | undefined): void {
    this.#changedUnits.set(name, unit);
  }

  /** The machine is there with this metadata, or (undefined) gone for good: its units are placed elsewhere. */
  setMachine(id: string, machine: Machine | undefined): void {
    const entry = this.#state.machineEntry(id);
    const before = entry.machine;
    this.#state.setMachine(entry, machine);
    for (const unit of entry.units) this.#agenda.mark(unit, entry);
    if (!machine) this.#agenda.wake('machineGone');
    else if (!isDeepStrictEqual(before, machine)) this.#agenda.wake('machineCame', entry);
  }

  /**
   * The machine is not there, and is given time to come back: its units stay placed on it and nothing new comes, until
   * `setMachine` says that it is back or gone.
   */
  awaitMachine(id: string): void {
    this.#state.setMachine(this.#state.machineEntry(id), undefined, true);
    this.#agenda.wake('machineGone');
  }

  /** The store says that the unit is (or, undefined, is not) placed on the machine. */
  setPlacement(unit: string, machine: string, placement: Placement | undefined): void {
    const at = placement ? this.#state.machineEntry(machine) : this.#state.machines.get(machine);
    // Forgotten with the last placement on it, which this takes back.
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
   * Does the long part of the next `schedule`, in steps of less than a millisecond: a unit with many globs in a large cluster
   * would hold the event loop. It may be left out, and anything may be told to the scheduler between the steps.
   */
  *prepare(): Generator<void> {
    yield* this.#state.forgetReleased();
    // Told everything at once, there are no names yet to compare with.
    if (this.#changedUnits.size >= this.#state.units.size) return;
    for (const unit of [...this.#changedUnits.values()]) if (unit) yield* this.#state.prepare(unit.needs);
  }

  /** Decides everything that the changes since the last call ask for. */
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

  /** Units that are to run and wait for a machine, by name, as of the last schedule. */
  pending(): PendingUnit[] {
    return [...this.#pending.units]
      .sort(byName)
      .map((unit) => new LazyPendingUnit(unit.name, () => this.explain(unit.name)));
  }

  /** For every machine, by id, whether it could take the unit; empty for an unknown unit. */
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
    const ignored = holding ? NOBODY : new Set(replacedOn(machine, unit!));
    return reasonAgainst(unit!, placer.trial(machine, { holding, ignored }));
  }

  #takeInUnits(): void {
    const changed = this.#changedUnits;
    if (changed.size > 0) this.#changedUnits = new Map();
    for (const name of changed.keys()) this.#state.entry(name);
    this.#state.indexNames();
    for (const [name, unit] of changed) this.#takeInUnit(this.#state.entry(name), unit);
    this.#state.releaseUnheld();
    // A unit that waits among others of its class is no longer like them when a glob has begun to match it.
    for (const unit of this.#state.rematched) if (this.#pending.has(unit)) this.#agenda.mark(unit);
    this.#state.rematched.clear();
  }

  #takeInUnit(entry: UnitEntry, unit: Unit | undefined): void {
    const related = isReplaceRelated(entry);
    const followed = entry.needs.machineOf.length > 0;
    const changed = this.#state.setUnit(entry, unit);
    const follows = entry.needs.machineOf.length > 0 || followed;
    if ((changed || !unit) && (follows || related || isReplaceRelated(entry))) this.#agenda.wake('replacingChanged');
    // Like a machine that changed: even a global unit that no glob matches any more may come now.
    if (changed) for (const machine of entry.placements.keys()) this.#agenda.wake('machineCame', machine);
    this.#agenda.mark(entry);
  }

  /** Reconciles a unit after those it depends on, and before anything else those that it disturbs, all in one group. */
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

  /** A unit that has to be reconciled before this one: what it follows, unless they follow each other. */
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

  /** Tries pending units on what has changed; true when there was something to try. */
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

  /** Cheap, since a great many may follow a unit which is nowhere: whether looking at it closely makes sense. */
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

/** Reasons for many units on many machines are a lot of text, which hardly anybody reads. */
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

/** Returns, for a unit, the machines where what has changed may have made room for it; undefined for all of them. */
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

/** Units on the machine that make room for the unit when it arrives there. */
function replacedOn(machine: MachineEntry, unit: UnitEntry): UnitEntry[] {
  if (unit.replaces.length === 0) return [];
  return [...machine.units].filter((other) => replaces(unit, other));
}
