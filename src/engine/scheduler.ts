import assert from 'node:assert/strict';
import type { Change } from '../cluster/index.ts';
import type { Machine, Placement, Unit } from '../model/index.ts';
import { Agenda } from './agenda.ts';
import { Components } from './components.ts';
import { byName, type MachineEntry, type UnitEntry } from './entries.ts';
import { reasonAgainst } from './filters.ts';
import { isReplaceRelated, rivalOf } from './rivals.ts';
import { NOBODY, rivalReason, Settler } from './settler.ts';
import { type Decision, Steps } from './steps.ts';
import { obstacleAmong, reasonAgainstAll, settleTogether } from './together.ts';
import { Waiting, type WaitingClass } from './waiting.ts';
import { World } from './world.ts';

/** A unit that is to run and that no machine can take. */
export interface Unplaced {
  readonly unit: string;
  /** For every machine why not. Worked out when it is read, from what the scheduler knows then. */
  readonly because: ReadonlyMap<string, string>;
}

export interface Schedule {
  /** In the order in which they are to be committed. */
  readonly decisions: readonly Decision[];
  /** By name; put together when it is read. */
  readonly unplaced: readonly Unplaced[];
}

/** What one machine means to a unit. */
export interface Suitability {
  readonly machineId: string;
  /** Why the unit cannot be there; undefined when it could, or is. */
  readonly reason: string | undefined;
  /** How many units are placed there. */
  readonly units: number;
}

/** From this many machines on, waiting units look at all of them by load instead of at just those that changed. */
const MANY_MACHINES = 32;

/**
 * Decides where units run. It is told of changes and looks again only at what they touch; told everything at once, it
 * schedules from nothing. No clock, no chance, no I/O: the same history gives the same decisions.
 *
 * `schedule` takes its decisions for granted. Whoever cannot commit them must throw the scheduler away and tell a new one
 * everything. All that the scheduler has been told must be newer than its last decisions, or contain them.
 */
export class Scheduler {
  readonly #world = new World();
  readonly #agenda = new Agenda(this.#world);
  readonly #waiting = new Waiting();
  readonly #steps = new Steps();
  readonly #settler: Settler;
  readonly #components = new Components(this.#world);
  /** Units that were set or removed since the last schedule. */
  #changedUnits = new Map<string, Unit | undefined>();
  /** How often units were settled in this schedule: units that chase each other for ever must not take the leader along. */
  #settled = 0;

  constructor() {
    this.#settler = new Settler({
      world: this.#world,
      agenda: this.#agenda,
      waiting: this.#waiting,
      steps: this.#steps,
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
    const entry = this.#world.machineEntry(id);
    const before = entry.machine;
    this.#world.setMachine(entry, machine);
    for (const unit of entry.units) this.#agenda.mark(unit, entry);
    if (machine) {
      if (!before || !sameMetadata(before.metadata, machine.metadata)) this.#arrived(entry);
    } else {
      this.#retryPrefixesOf(id);
    }
  }

  #arrived(machine: MachineEntry): void {
    this.#agenda.wake(machine);
    for (const unit of this.#world.globals) this.#agenda.mark(unit, machine);
  }

  /** What waits because its MachineID= is the beginning of several ids may have become unique. */
  #retryPrefixesOf(id: string): void {
    for (const waiting of this.#waiting.classes) {
      const prefix = waiting.first()?.needs.machineId;
      if (prefix !== undefined && id.startsWith(prefix)) for (const unit of waiting.units) this.#agenda.mark(unit);
    }
  }

  /**
   * The machine is not there, and is given time to come back: its units stay placed on it and nothing new comes, until
   * `setMachine` says that it is back or gone.
   */
  awaitMachine(id: string): void {
    this.#world.setMachine(this.#world.machineEntry(id), undefined, true);
    this.#retryPrefixesOf(id);
  }

  /** The store says that the unit is (or, undefined, is not) placed on the machine. */
  setPlacement(unit: string, machine: string, placement: Placement | undefined): void {
    const at = placement ? this.#world.machineEntry(machine) : this.#world.machines.get(machine);
    // Forgotten with the last placement on it, which this takes back.
    if (!at) return;
    const entry = this.#world.entry(unit);
    const known = entry.placements.get(at);
    if (placement) {
      this.#world.place(entry, at, placement);
      if (known && known.hash === placement.hash && known.desired === placement.desired) return;
      this.#agenda.placed(entry);
    } else if (known) {
      this.#world.unplace(entry, at);
      this.#agenda.left(entry, at);
    }
    this.#agenda.mark(entry, at);
  }

  /**
   * Does the long part of the next `schedule`, in steps of less than a millisecond: a unit with many globs in a large cluster
   * would hold the event loop. It may be left out, and anything may be told to the scheduler between the steps.
   */
  *prepare(): Generator<void> {
    yield* this.#world.forgetReleased();
    // Told everything at once, there are no names yet to compare with.
    if (this.#changedUnits.size >= this.#world.units.size) return;
    for (const unit of [...this.#changedUnits.values()]) if (unit) yield* this.#world.prepare(unit.needs);
  }

  /** Decides everything that the changes since the last call ask for. */
  schedule(): Schedule {
    this.#takeInUnits();
    this.#settled = 0;
    do {
      while (!this.#agenda.isEmpty) for (const unit of this.#agenda.batch()) this.#settleTree(unit);
    } while (this.#retryWaiting());
    const unplaced = () => this.unplaced();
    return {
      decisions: this.#steps.take(),
      get unplaced() {
        return unplaced();
      },
    };
  }

  /** Units that are to run and wait for a machine, by name, as of the last schedule. */
  unplaced(): Unplaced[] {
    return [...this.#waiting.units]
      .sort(byName)
      .map((unit) => new UnplacedUnit(unit.name, () => this.explain(unit.name)));
  }

  /** For every machine, by id, whether it could take the unit; empty for an unknown unit. */
  explain(name: string): Suitability[] {
    this.#takeInUnits();
    const unit = this.#world.units.get(name);
    if (!unit?.unit) return [];
    const members = this.#components.of(unit);
    const mustYield = new Set<UnitEntry>();
    const rival = rivalOf(unit, mustYield);
    const everywhere = rival ? rivalReason(rival) : members.length > 1 ? obstacleAmong(members, mustYield) : undefined;
    return [...this.#world.machines.values()]
      .filter(({ machine, awaited }) => machine || awaited)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((machine) => ({
        machineId: machine.id,
        reason: everywhere ?? this.#reasonAgainst(members, machine),
        units: machine.units.size,
      }));
  }

  #reasonAgainst(members: readonly UnitEntry[], machine: MachineEntry): string | undefined {
    const settler = this.#settler;
    if (members.length > 1) {
      return reasonAgainstAll(members, machine, { settler, apart: new Set(members), mustYield: new Set() });
    }
    const [unit] = members;
    const replaced = [...machine.units].filter(
      (other) => unit !== other && unit!.replaces.some((glob) => other.matches.has(glob)),
    );
    const apart = unit!.placements.has(machine) ? NOBODY : new Set(replaced.filter((other) => !other.needs.global));
    return reasonAgainst(unit!, settler.candidate(machine, { holding: unit!.placements.has(machine), apart }));
  }

  #takeInUnits(): void {
    const changed = this.#changedUnits;
    if (changed.size > 0) this.#changedUnits = new Map();
    for (const name of changed.keys()) this.#world.entry(name);
    this.#world.indexNames();
    for (const [name, unit] of changed) this.#takeInUnit(this.#world.entry(name), unit);
    this.#world.releaseUnheld();
    // A unit that waits among others of its class is no longer like them when a glob has begun to match it.
    for (const unit of this.#world.rematched) if (this.#waiting.has(unit)) this.#agenda.mark(unit);
    this.#world.rematched.clear();
  }

  #takeInUnit(entry: UnitEntry, unit: Unit | undefined): void {
    const related = isReplaceRelated(entry);
    const followed = entry.needs.machineOf.length > 0;
    const changed = this.#world.setUnit(entry, unit);
    const follows = entry.needs.machineOf.length > 0 || followed;
    if ((changed || !unit) && (follows || related || isReplaceRelated(entry))) this.#agenda.wakeRivals();
    // Like a machine that changed: even a global unit that no glob matches any more may come now.
    if (changed) for (const machine of entry.placements.keys()) this.#arrived(machine);
    this.#agenda.mark(entry);
  }

  /** Settles a unit after those it depends on, and before anything else those that it disturbs, all in one group. */
  #settleTree(root: UnitEntry): void {
    const agenda = this.#agenda;
    if (!agenda.isDirty(root)) return;
    this.#steps.begin();
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
      this.#settle(top);
      for (const next of agenda.takeDisturbed().reverse()) stack.push(next);
    }
  }

  /** A unit that has to be settled before this one: what it follows, unless they follow each other. */
  #dirtyBase(unit: UnitEntry): UnitEntry | undefined {
    const members = this.#components.of(unit);
    for (const member of members) {
      for (const name of member.needs.machineOf) {
        const base = this.#world.units.get(name);
        if (base && this.#agenda.isDirty(base) && !members.includes(base)) return base;
      }
    }
    return undefined;
  }

  #settle(unit: UnitEntry): void {
    this.#settled++;
    assert(this.#settled <= 10_000 + 50 * this.#world.units.size, 'scheduling does not come to rest');
    const members = this.#components.of(unit);
    if (members.length === 1) {
      this.#settler.settle(unit, this.#agenda.take(unit));
      return;
    }
    const desk = { world: this.#world, agenda: this.#agenda, waiting: this.#waiting, steps: this.#steps };
    settleTogether(members, desk, this.#settler);
  }

  /** Tries waiting units on what has changed; true when there was something to try. */
  #retryWaiting(): boolean {
    const { machines, rivals } = this.#agenda.takeWoken();
    if (machines.length === 0 && !rivals) return false;
    const hopeful: WaitingClass[] = [];
    for (const waiting of this.#waiting.classes) {
      const unit = waiting.first()!;
      if (waiting.solo) {
        if ((rivals && mayRival(unit)) || machines.some((machine) => this.#mayFollow(unit, machine))) {
          this.#agenda.mark(unit);
        }
      } else if (machines.length > MANY_MACHINES || machines.some((machine) => this.#fits(unit, machine))) {
        hopeful.push(waiting);
      }
    }
    hopeful.sort((a, b) => byName(a.first()!, b.first()!));
    const among = machines.length > MANY_MACHINES ? undefined : machines;
    for (const waiting of hopeful) this.#placeAll(waiting, among);
    return true;
  }

  #fits(unit: UnitEntry, machine: MachineEntry): boolean {
    return reasonAgainst(unit, this.#settler.candidate(machine, {})) === undefined;
  }

  /** Cheap, since a great many may follow a unit which is nowhere: whether looking at it closely makes sense. */
  #mayFollow(unit: UnitEntry, machine: MachineEntry): boolean {
    if (this.#components.of(unit).length > 1) return true;
    return unit.needs.machineOf.every((name) => this.#world.units.get(name)?.placements.has(machine) ?? false);
  }

  /** Places units of a class, first by name, until one of them finds no machine. */
  #placeAll(waiting: WaitingClass, among: readonly MachineEntry[] | undefined): void {
    for (let unit = waiting.first(); unit; unit = waiting.first()) {
      this.#steps.begin();
      if (!this.#settler.arrive(unit, { among, anyway: true })) return;
      this.#waiting.remove(unit);
    }
  }
}

/** Reasons for many units on many machines are a lot of text, which hardly anybody reads. */
class UnplacedUnit implements Unplaced {
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

/** Cheap: false only for units whose waiting has nothing to do with who may take over from whom. */
function mayRival({ replaces, needs }: UnitEntry): boolean {
  return replaces.length > 0 || needs.machineOf.length === 0;
}

function sameMetadata(a: Machine['metadata'], b: Machine['metadata']): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
