import { byLoad, type MachineEntry, type UnitEntry } from './entries.ts';
import { conflictBetween, reasonAgainst, replaces } from './filters.ts';
import { rivalOf } from './rivals.ts';
import { type Desk, rivalReason, type Settler } from './settler.ts';

/** Settles units that name each other in MachineOf=: all on one machine, or none of them anywhere. */
export function settleTogether(members: readonly UnitEntry[], desk: Desk, settler: Settler): void {
  const { agenda, waiting } = desk;
  for (const unit of members) {
    agenda.take(unit);
    waiting.remove(unit);
  }
  const mustYield = new Set<UnitEntry>();
  const obstacle = obstacleAmong(members, mustYield);
  const machine = obstacle === undefined ? findTogether(members, { desk, settler, mustYield }) : undefined;
  if (machine) {
    const names = members.map(({ name }) => name).join(', ');
    for (const unit of members) settler.bring(unit, machine, `${names} are placed together (MachineOf)`);
    for (const other of mustYield) agenda.mark(other);
    return;
  }
  const reason = obstacle ?? 'no machine qualifies for all the units that MachineOf places together';
  for (const unit of members) {
    if (!unit.wanted) {
      settler.withdraw(unit);
      continue;
    }
    for (const old of [...unit.placements.keys()]) settler.remove(unit, old, reason);
    waiting.add(unit);
  }
  // Taking them away has marked them, since they follow each other: they have just been looked at.
  for (const unit of members) agenda.take(unit);
}

/** What keeps the units from being together, wherever it were. */
export function obstacleAmong(members: readonly UnitEntry[], mustYield: Set<UnitEntry>): string | undefined {
  for (const unit of members) {
    if (!unit.wanted) return `MachineOf places it together with ${unit.name}, which is not to run`;
    const rival = rivalOf(unit, mustYield);
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

function findTogether(
  members: readonly UnitEntry[],
  { desk, settler, mustYield }: { desk: Desk; settler: Settler; mustYield: Set<UnitEntry> },
): MachineEntry | undefined {
  const apart = new Set(members);
  const fits = (machine: MachineEntry) =>
    reasonAgainstAll(members, machine, { settler, apart, mustYield }) === undefined;
  const held = new Map<MachineEntry, number>();
  for (const unit of members)
    for (const machine of unit.placements.keys()) held.set(machine, (held.get(machine) ?? 0) + 1);
  const current = [...held.keys()].sort((a, b) => held.get(b)! - held.get(a)! || byLoad(a, b)).find(fits);
  const [first] = members;
  return current ?? desk.world.pools.find(first!.poolKey, first!.needs.metadata, fits);
}

/** The first reason why one of the units cannot be on the machine together with the others. */
export function reasonAgainstAll(
  members: readonly UnitEntry[],
  machine: MachineEntry,
  { settler, apart, mustYield }: { settler: Settler; apart: ReadonlySet<UnitEntry>; mustYield: Set<UnitEntry> },
): string | undefined {
  const yielding = new Set<UnitEntry>();
  for (const unit of members) {
    const holding = unit.placements.has(machine);
    const reason = reasonAgainst(unit, settler.candidate(machine, { holding, apart, mustYield: yielding }));
    if (reason !== undefined) return members.length === 1 ? reason : `${unit.name}: ${reason}`;
  }
  for (const other of yielding) mustYield.add(other);
  return undefined;
}
