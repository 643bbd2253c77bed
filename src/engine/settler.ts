import type { PlacementWrite } from '../cluster/index.ts';
import { isTemplateName, type Placement } from '../model/index.ts';
import type { Agenda, Scope } from './agenda.ts';
import { byId, byLoad, byName, type MachineEntry, type UnitEntry } from './entries.ts';
import { type Candidate, reasonAgainst } from './filters.ts';
import { mayMove, replacedBy, rivalOf } from './rivals.ts';
import type { Steps } from './steps.ts';
import type { Waiting } from './waiting.ts';
import type { World } from './world.ts';

/** What a Settler works on. */
export interface Desk {
  readonly world: World;
  readonly agenda: Agenda;
  readonly waiting: Waiting;
  readonly steps: Steps;
}

/** A machine found for a unit. */
interface Target {
  readonly machine: MachineEntry;
  readonly reason: string;
  /** Units on it that have to make room. */
  readonly evicted: ReadonlySet<UnitEntry>;
}

export const NOBODY: ReadonlySet<UnitEntry> = new Set();

/** Brings one unit to where it belongs, given where all others are, and notes whom that disturbs. */
export class Settler {
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** Keeps the unit where it is, moves it, or takes it away. `scope`: the machines to look at for a global unit. */
  settle(unit: UnitEntry, scope: Scope): void {
    this.#desk.waiting.remove(unit);
    if (!unit.wanted) this.withdraw(unit);
    else if (unit.needs.global) this.#settleGlobal(unit, scope);
    else this.#settleSingle(unit);
  }

  /** Takes a unit that is not to run from wherever it is. */
  withdraw(unit: UnitEntry): void {
    const reason = !unit.unit
      ? 'the unit was destroyed'
      : isTemplateName(unit.name)
        ? 'a template is never placed'
        : 'its desired state is inactive';
    for (const machine of [...unit.placements.keys()].sort(byId)) this.remove(unit, machine, reason);
    this.#desk.world.forget(unit);
  }

  #settleSingle(unit: UnitEntry): void {
    const { kept, leaving } = this.#stay(unit);
    if (kept) {
      for (const { machine, reason } of leaving) this.remove(unit, machine, reason);
      this.refresh(unit, kept);
      return;
    }
    // All but the last removal can stand alone; the last one and the arrival elsewhere are one move.
    for (const { machine, reason } of leaving.slice(0, -1)) this.remove(unit, machine, reason);
    if (!this.arrive(unit, { leaving: leaving.at(-1) })) this.#desk.waiting.add(unit);
  }

  /** Of the machines where the unit is, the one that it can stay on, and why it has to leave the others. */
  #stay(unit: UnitEntry): { kept?: MachineEntry; leaving: { machine: MachineEntry; reason: string }[] } {
    const leaving: { machine: MachineEntry; reason: string }[] = [];
    if (unit.placements.size === 0) return { leaving };
    const mustYield = new Set<UnitEntry>();
    const rival = rivalOf(unit, mustYield);
    let kept: MachineEntry | undefined;
    for (const machine of [...unit.placements.keys()].sort(byId)) {
      const reason = rival
        ? rivalReason(rival)
        : kept
          ? `it is on ${kept.id} already`
          : reasonAgainst(unit, this.candidate(machine, { holding: true, mustYield }));
      if (reason === undefined) kept = machine;
      else leaving.push({ machine, reason });
    }
    for (const other of mustYield) this.#desk.agenda.mark(other);
    return kept ? { kept, leaving } : { leaving };
  }

  /**
   * Places a unit on the best machine there is (of `among`, when given), in one decision with its leaving another.
   * Without a machine it only leaves, and the answer is false.
   */
  arrive(
    unit: UnitEntry,
    options: {
      readonly leaving?: { readonly machine: MachineEntry; readonly reason: string } | undefined;
      readonly among?: readonly MachineEntry[] | undefined;
      /** Look, even though another unit just like this one found no machine. */
      readonly anyway?: boolean;
    } = {},
  ): boolean {
    const { steps } = this.#desk;
    const { leaving } = options;
    const writes = leaving ? [this.#unplace(unit, leaving.machine)] : [];
    const target = this.#find(unit, options);
    if (!target) {
      if (leaving) steps.add(unit.name, writes, leaving.reason);
      return false;
    }
    for (const other of [...target.evicted].sort(byName)) {
      this.remove(other, target.machine, `${unit.name} replaces it`);
      this.#desk.agenda.mark(other);
    }
    writes.push(this.#place(unit, target.machine, target.reason));
    steps.add(unit.name, writes, leaving ? `${leaving.reason}; ${target.reason}` : target.reason);
    return true;
  }

  #find(
    unit: UnitEntry,
    options: { among?: readonly MachineEntry[] | undefined; anyway?: boolean },
  ): Target | undefined {
    const { world, waiting } = this.#desk;
    if (rivalOf(unit, new Set())) return undefined;
    const candidate = this.candidate(undefined, {});
    const fits = (machine: MachineEntry) => {
      candidate.machine = machine;
      return reasonAgainst(unit, candidate) === undefined;
    };
    const { machineOf, machineId, metadata } = unit.needs;
    if (options.among) {
      return this.#fewest(options.among.toSorted(byLoad).find(fits));
    }
    const taken = unit.replaces.length > 0 ? this.#takeOver(unit) : undefined;
    if (taken) return taken;
    const base = machineOf.find((name) => name !== unit.name);
    if (base !== undefined) {
      const machine = [...(world.units.get(base)?.placements.keys() ?? [])].sort(byLoad).find(fits);
      return machine && target(machine, `together with ${machineOf.join(', ')} (MachineOf)`);
    }
    if (machineId !== undefined) {
      const machine = [...world.machinesWithPrefix(machineId)].find(fits);
      return machine && target(machine, 'named by its MachineID');
    }
    if (!options.anyway && waiting.hasLike(unit)) return undefined;
    return this.#fewest(world.pools.find(unit.poolKey, metadata, fits));
  }

  #fewest(machine: MachineEntry | undefined): Target | undefined {
    if (!machine) return undefined;
    return target(machine, `fewest units (${machine.units.size}) of the machines that qualify`);
  }

  /** The machine of a unit that this one replaces. */
  #takeOver(unit: UnitEntry): Target | undefined {
    const evictedFrom = new Map<MachineEntry, Set<UnitEntry>>();
    for (const other of replacedBy(unit)) {
      if (mayMove(other, unit, this.#desk.world)) continue;
      for (const machine of other.placements.keys()) {
        const evicted = evictedFrom.get(machine) ?? new Set();
        evictedFrom.set(machine, evicted.add(other));
      }
    }
    for (const machine of [...evictedFrom.keys()].sort(byLoad)) {
      const evicted = evictedFrom.get(machine)!;
      if (reasonAgainst(unit, this.candidate(machine, { apart: evicted })) !== undefined) continue;
      const names = [...evicted].map(({ name }) => name).sort();
      return { machine, evicted, reason: `takes over from ${names.join(', ')} (Replaces)` };
    }
    return undefined;
  }

  #settleGlobal(unit: UnitEntry, scope: Scope): void {
    const { world, steps, agenda } = this.#desk;
    const machines = scope ?? new Set([...world.machines.values(), ...unit.placements.keys()]);
    for (const machine of [...machines].sort(byId)) {
      const holding = unit.placements.has(machine);
      const mustYield = new Set<UnitEntry>();
      const reason = reasonAgainst(unit, this.candidate(machine, { holding, mustYield }));
      if (holding && reason !== undefined) {
        this.remove(unit, machine, reason);
      } else if (holding) {
        this.refresh(unit, machine);
        for (const other of mustYield) agenda.mark(other, machine);
      } else if (reason === undefined) {
        const why = 'runs on every machine that qualifies (Global)';
        steps.add(unit.name, [this.#place(unit, machine, why)], why);
      }
    }
  }

  /** Moves the unit, or, being there already, brings its placement up to date. */
  bring(unit: UnitEntry, machine: MachineEntry, reason: string): void {
    const elsewhere = [...unit.placements.keys()].filter((other) => other !== machine).sort(byId);
    const isThere = unit.placements.has(machine);
    const alone = isThere ? elsewhere : elsewhere.slice(0, -1);
    for (const old of alone) this.remove(unit, old, reason);
    if (isThere) {
      this.refresh(unit, machine);
      return;
    }
    const writes = elsewhere.slice(-1).map((old) => this.#unplace(unit, old));
    writes.push(this.#place(unit, machine, reason));
    this.#desk.steps.add(unit.name, writes, reason);
  }

  /** Updates the placement when the unit's file or desired state is not what it was. */
  refresh(unit: UnitEntry, machine: MachineEntry): void {
    const { hash, desired } = unit.unit!;
    const placement = unit.placements.get(machine)!;
    const { once } = rulesOf(unit);
    const same = placement.hash === hash && placement.desired === desired && placement.once === once;
    if (desired === 'inactive' || same) return;
    const { onPartition: _, once: __, ...kept } = placement;
    const next = { ...kept, hash, desired, ...rulesOf(unit) };
    this.#desk.world.place(unit, machine, next);
    const changed = once === 'done' ? 'it has run once' : `its desired state is now ${desired}`;
    const reason = placement.hash === hash ? changed : 'its unit file changed';
    this.#desk.steps.add(unit.name, [{ put: next }], reason);
  }

  /** Takes the unit from the machine in a decision of its own. */
  remove(unit: UnitEntry, machine: MachineEntry, reason: string): void {
    this.#desk.steps.add(unit.name, [this.#unplace(unit, machine)], reason);
  }

  candidate(
    machine: MachineEntry | undefined,
    options: { holding?: boolean; apart?: ReadonlySet<UnitEntry>; mustYield?: Set<UnitEntry> },
  ): Candidate {
    return {
      world: this.#desk.world,
      machine: machine!,
      holding: options.holding ?? false,
      apart: options.apart ?? NOBODY,
      mustYield: options.mustYield ?? new Set(),
    };
  }

  #place(unit: UnitEntry, machine: MachineEntry, reason: string): PlacementWrite {
    const { hash, desired } = unit.unit!;
    const placement = {
      machine: machine.id,
      unit: unit.name,
      hash,
      desired: desired === 'launched' ? desired : ('loaded' as const),
      reason,
      ...rulesOf(unit),
    };
    this.#desk.world.place(unit, machine, placement);
    this.#desk.agenda.placed(unit);
    return { put: placement };
  }

  #unplace(unit: UnitEntry, machine: MachineEntry): PlacementWrite {
    this.#desk.world.unplace(unit, machine);
    this.#desk.agenda.left(unit, machine);
    return { remove: { machine: machine.id, unit: unit.name } };
  }
}

/** The machine must know these rules even while it cannot read the unit's record. */
function rulesOf({ unit, needs }: UnitEntry): Pick<Placement, 'onPartition' | 'once'> {
  return {
    ...(needs.onPartition === 'stop' ? { onPartition: 'stop' } : {}),
    ...(needs.runOnce ? { once: unit?.ran ? 'done' : 'due' } : {}),
  };
}

/** Why a unit cannot run at all while its rival does. */
export function rivalReason(rival: UnitEntry): string {
  return `it and ${rival.name} replace each other, so only one of them runs, and ${rival.name} does already`;
}

function target(machine: MachineEntry, reason: string): Target {
  return { machine, reason, evicted: NOBODY };
}
