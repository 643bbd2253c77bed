import type { PlacementWrite } from '../cluster/index.ts';
import { isTemplateName, type Placement } from '../model/index.ts';
import type { Agenda, Scope } from './agenda.ts';
import type { ClusterState } from './cluster-state.ts';
import type { DecisionList } from './decision-list.ts';
import { byId, byLoad, byName, type MachineEntry, type UnitEntry } from './entries.ts';
import type { Trial } from './filter.ts';
import { reasonAgainst } from './filters.ts';
import type { PendingUnits } from './pending-units.ts';
import { mayMove, replacedBy, rivalOf, rivalReason } from './preemption.ts';

/** The parts of a scheduler that its Placer reads and changes. */
export interface PlacerContext {
  readonly state: ClusterState;
  readonly agenda: Agenda;
  readonly pending: PendingUnits;
  readonly decisions: DecisionList;
}

/** A machine found for a unit. */
interface Destination {
  readonly machine: MachineEntry;
  readonly reason: string;
  /** Units on that machine which have to leave. */
  readonly preempts: ReadonlySet<UnitEntry>;
}

export const NONE: ReadonlySet<UnitEntry> = new Set();

/** Brings one unit to where it belongs, given where all others are, and puts the units that it disturbs on the agenda. */
export class Placer {
  readonly #context: PlacerContext;

  constructor(context: PlacerContext) {
    this.#context = context;
  }

  /** Keeps the unit where it is, moves it, or takes it away. `scope`: the machines to look at for a global unit. */
  reconcile(unit: UnitEntry, scope: Scope): void {
    this.#context.pending.remove(unit);
    if (!unit.wanted) this.withdraw(unit);
    else if (unit.needs.global) this.#reconcileGlobal(unit, scope);
    else this.#reconcileSingle(unit);
  }

  /** Removes a unit that is not to run from all its machines. */
  withdraw(unit: UnitEntry): void {
    const reason = !unit.unit
      ? 'the unit was destroyed'
      : isTemplateName(unit.name)
        ? 'a template is never placed'
        : 'its desired state is inactive';
    for (const machine of [...unit.placements.keys()].sort(byId)) this.remove(unit, machine, reason);
    this.#context.state.forget(unit);
  }

  #reconcileSingle(unit: UnitEntry): void {
    const { kept, leaving } = this.#stay(unit);
    if (kept) {
      for (const { machine, reason } of leaving) this.remove(unit, machine, reason);
      this.refresh(unit, kept);
      return;
    }
    // The last removal and the arrival elsewhere are one decision, a move; the earlier removals stand alone.
    for (const { machine, reason } of leaving.slice(0, -1)) this.remove(unit, machine, reason);
    if (!this.arrive(unit, { leaving: leaving.at(-1) })) this.#context.pending.add(unit);
  }

  /** Returns which of its machines the unit can stay on, and why it has to leave the others. */
  #stay(unit: UnitEntry): { kept?: MachineEntry; leaving: { machine: MachineEntry; reason: string }[] } {
    const leaving: { machine: MachineEntry; reason: string }[] = [];
    if (unit.placements.size === 0) return { leaving };
    const preempts = new Set<UnitEntry>();
    const rival = rivalOf(unit, preempts);
    let kept: MachineEntry | undefined;
    for (const machine of [...unit.placements.keys()].sort(byId)) {
      const reason = rival
        ? rivalReason(rival)
        : kept
          ? `it is on ${kept.id} already`
          : reasonAgainst(unit, this.trial(machine, { holding: true, preempts }));
      if (reason === undefined) kept = machine;
      else leaving.push({ machine, reason });
    }
    for (const other of preempts) this.#context.agenda.mark(other);
    return kept ? { kept, leaving } : { leaving };
  }

  /**
   * Places the unit on the best machine (of `among`, when given), in one decision with its leaving another. Returns false
   * when no machine can have it; then the unit only leaves.
   */
  arrive(
    unit: UnitEntry,
    options: {
      readonly leaving?: { readonly machine: MachineEntry; readonly reason: string } | undefined;
      readonly among?: readonly MachineEntry[] | undefined;
      /** Tries all machines even when another unit of this one's pending class found none. */
      readonly anyway?: boolean;
    } = {},
  ): boolean {
    const { decisions } = this.#context;
    const { leaving } = options;
    const writes = leaving ? [this.#unplace(unit, leaving.machine)] : [];
    const destination = this.#find(unit, options);
    if (!destination) {
      if (leaving) decisions.add(unit.name, writes, leaving.reason);
      return false;
    }
    for (const other of [...destination.preempts].sort(byName)) {
      this.remove(other, destination.machine, `${unit.name} replaces it`);
      this.#context.agenda.mark(other);
    }
    writes.push(this.#place(unit, destination.machine, destination.reason));
    decisions.add(unit.name, writes, leaving ? `${leaving.reason}; ${destination.reason}` : destination.reason);
    return true;
  }

  #find(
    unit: UnitEntry,
    options: { among?: readonly MachineEntry[] | undefined; anyway?: boolean },
  ): Destination | undefined {
    const { state, pending } = this.#context;
    if (rivalOf(unit, new Set())) return undefined;
    const preempts = new Set<UnitEntry>();
    const fits = (machine: MachineEntry) => reasonAgainst(unit, this.trial(machine, { preempts })) === undefined;
    const { machineOf, machineId, metadata } = unit.needs;
    if (options.among) {
      return this.#fewest(options.among.toSorted(byLoad).find(fits));
    }
    const taken = unit.replaces.length > 0 ? this.#takeOver(unit) : undefined;
    if (taken) return taken;
    const base = machineOf.find((name) => name !== unit.name);
    if (base !== undefined) {
      const machine = [...(state.units.get(base)?.placements.keys() ?? [])].sort(byLoad).find(fits);
      return machine && destination(machine, `together with ${machineOf.join(', ')} (MachineOf)`);
    }
    if (machineId !== undefined) {
      const machine = [...state.machinesWithPrefix(machineId)].find(fits);
      return machine && destination(machine, 'named by its MachineID');
    }
    if (!options.anyway && pending.hasLike(unit)) return undefined;
    return this.#fewest(state.pools.find(unit.poolKey, metadata, fits));
  }

  #fewest(machine: MachineEntry | undefined): Destination | undefined {
    if (!machine) return undefined;
    return destination(machine, `fewest units (${machine.units.size}) of the machines that qualify`);
  }

  /** Returns a machine from which the unit can preempt those it replaces. */
  #takeOver(unit: UnitEntry): Destination | undefined {
    const preemptsOn = new Map<MachineEntry, Set<UnitEntry>>();
    for (const other of replacedBy(unit)) {
      if (mayMove(other, unit, this.#context.state)) continue;
      for (const machine of other.placements.keys()) {
        const preempts = preemptsOn.get(machine) ?? new Set();
        preemptsOn.set(machine, preempts.add(other));
      }
    }
    for (const machine of [...preemptsOn.keys()].sort(byLoad)) {
      const preempts = preemptsOn.get(machine)!;
      if (reasonAgainst(unit, this.trial(machine, { ignored: preempts })) !== undefined) continue;
      const names = [...preempts].map(({ name }) => name).sort();
      return { machine, preempts, reason: `takes over from ${names.join(', ')} (Replaces)` };
    }
    return undefined;
  }

  #reconcileGlobal(unit: UnitEntry, scope: Scope): void {
    const { state, decisions, agenda } = this.#context;
    const machines = scope ?? new Set([...state.machines.values(), ...unit.placements.keys()]);
    for (const machine of [...machines].sort(byId)) {
      const holding = unit.placements.has(machine);
      const preempts = new Set<UnitEntry>();
      const reason = reasonAgainst(unit, this.trial(machine, { holding, preempts }));
      if (holding && reason !== undefined) {
        this.remove(unit, machine, reason);
      } else if (holding) {
        this.refresh(unit, machine);
        for (const other of preempts) agenda.mark(other, machine);
      } else if (reason === undefined) {
        const why = 'runs on every machine that qualifies (Global)';
        decisions.add(unit.name, [this.#place(unit, machine, why)], why);
      }
    }
  }

  /** Moves the unit to the machine, or updates its placement when it is there already. */
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
    this.#context.decisions.add(unit.name, writes, reason);
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
    this.#context.state.place(unit, machine, next);
    const changed = once === 'done' ? 'it has run once' : `its desired state is now ${desired}`;
    const reason = placement.hash === hash ? changed : 'its unit file changed';
    this.#context.decisions.add(unit.name, [{ put: next }], reason);
  }

  /** Removes the unit from the machine in a decision of its own. */
  remove(unit: UnitEntry, machine: MachineEntry, reason: string): void {
    this.#context.decisions.add(unit.name, [this.#unplace(unit, machine)], reason);
  }

  trial(
    machine: MachineEntry,
    options: { holding?: boolean; ignored?: ReadonlySet<UnitEntry>; preempts?: Set<UnitEntry> },
  ): Trial {
    return {
      state: this.#context.state,
      machine,
      holding: options.holding ?? false,
      ignored: options.ignored ?? NONE,
      preempts: options.preempts ?? new Set(),
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
    this.#context.state.place(unit, machine, placement);
    this.#context.agenda.placed(unit);
    return { put: placement };
  }

  #unplace(unit: UnitEntry, machine: MachineEntry): PlacementWrite {
    this.#context.state.unplace(unit, machine);
    this.#context.agenda.left(unit, machine);
    return { remove: { machine: machine.id, unit: unit.name } };
  }
}

/** The rules that a placement repeats, since the machine must know them while it cannot read the unit's record. */
function rulesOf({ unit, needs }: UnitEntry): Pick<Placement, 'onPartition' | 'once'> {
  return {
    ...(needs.onPartition === 'stop' ? { onPartition: 'stop' } : {}),
    ...(needs.runOnce ? { once: unit?.ran ? 'done' : 'due' } : {}),
  };
}

function destination(machine: MachineEntry, reason: string): Destination {
  return { machine, reason, preempts: NONE };
}
