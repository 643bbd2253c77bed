import { byLoad, type MachineEntry, type UnitEntry } from './entries.ts';
import { conflictBetween } from './filters/conflicts.ts';
import { reasonAgainst } from './filters.ts';
import type { Placer, PlacerContext } from './placer.ts';
import { replaces, rivalOf, rivalReason } from './preemption.ts';

/** Reconciles units that follow each other (MachineOf=): all on one machine, or none of them anywhere. */
export function reconcileColocated(members: readonly UnitEntry[], context: PlacerContext, placer: Placer): void {
  const { agenda, pending } = context;
  for (const unit of members) {
    agenda.take(unit);
    pending.remove(unit);
  }
  const preempts = new Set<UnitEntry>();
  const obstacle = obstacleAmong(members, preempts);
  const machine = obstacle === undefined ? findForAll(members, { context, placer, preempts }) : undefined;
  if (machine) {
    const names = members.map(({ name }) => name).join(', ');
    for (const unit of members) placer.bring(unit, machine, `${names} are placed together (MachineOf)`);
    for (const other of preempts) agenda.mark(other);
    return;
  }
  const reason = obstacle ?? 'no machine qualifies for all the units that MachineOf places together';
  for (const unit of members) {
    if (!unit.wanted) {
      placer.withdraw(unit);
      continue;
    }
    for (const old of [...unit.placements.keys()]) placer.remove(unit, old, reason);
    pending.add(unit);
  }
  // Removing one of them has marked the others, which follow it; all have just been reconciled.
  for (const unit of members) agenda.take(unit);
}

/** Returns why the units cannot be together on any machine; undefined when they can. */
export function obstacleAmong(members: readonly UnitEntry[], preempts: Set<UnitEntry>): string | undefined {
  for (const unit of members) {
    if (!unit.wanted) return `MachineOf places it together with ${unit.name}, which is not to run`;
    const rival = rivalOf(unit, preempts);
    if (rival) return rivalReason(rival);
    for (const other of members) {
      if (other === unit) break;
      const glob = conflictBetween(unit, other) ?? (replaces(unit, other) || replaces(other, unit) ? 'Replaces' : '');
      if (glob)
        return `MachineOf places ${other.name} and ${unit.name} together, and they exclude each other (${glob})`;
    }
  }
  return undefined;
}

function findForAll(
  members: readonly UnitEntry[],
  { context, placer, preempts }: { context: PlacerContext; placer: Placer; preempts: Set<UnitEntry> },
): MachineEntry | undefined {
  const ignored = new Set(members);
  const fits = (machine: MachineEntry) =>
    reasonAgainstAll(members, machine, { placer, ignored, preempts }) === undefined;
  const held = new Map<MachineEntry, number>();
  for (const unit of members)
    for (const machine of unit.placements.keys()) held.set(machine, (held.get(machine) ?? 0) + 1);
  const current = [...held.keys()].sort((a, b) => held.get(b)! - held.get(a)! || byLoad(a, b)).find(fits);
  const [first] = members;
  return current ?? context.state.pools.find(first!.poolKey, first!.needs.metadata, fits);
}

/** Returns the first reason why one of the units cannot be on the machine together with the others. */
export function reasonAgainstAll(
  members: readonly UnitEntry[],
  machine: MachineEntry,
  { placer, ignored, preempts }: { placer: Placer; ignored: ReadonlySet<UnitEntry>; preempts: Set<UnitEntry> },
): string | undefined {
  const preempted = new Set<UnitEntry>();
  for (const unit of members) {
    const holding = unit.placements.has(machine);
    const reason = reasonAgainst(unit, placer.trial(machine, { holding, ignored, preempts: preempted }));
    if (reason !== undefined) return members.length === 1 ? reason : `${unit.name}: ${reason}`;
  }
  for (const other of preempted) preempts.add(other);
  return undefined;
}
