import type { Snapshot } from '../cluster/index.ts';
import { explain } from '../engine/index.ts';
import { isTemplateName, type RanOnce, type Unit } from '../model/index.ts';
import type { ApiParts } from './api-parts.ts';
import { shortMachine } from './narrate.ts';
import { addressOf, placementsOf } from './present.ts';
import type { ApiWhy } from './shapes/index.ts';
import { noSuchUnit } from './unit-handlers.ts';

export async function getWhy(name: string, { reader }: ApiParts): Promise<ApiWhy> {
  const snapshot = await reader.view.read();
  const unit = snapshot.units.get(name);
  if (unit === undefined) throw noSuchUnit();
  return whyOf(snapshot, unit);
}

/** Where the unit is and why, and what each machine has against it. */
export function whyOf(snapshot: Snapshot, unit: Unit): ApiWhy {
  const machines = explain(snapshot, unit.name).map(({ machineId, reason, units }) => ({
    machineID: machineId,
    address: addressOf(snapshot, machineId),
    units,
    ...(reason === undefined ? {} : { reason }),
  }));
  const placements = placementsOf(snapshot, unit.name).map(({ machine, reason }) => ({
    machineID: machine,
    address: addressOf(snapshot, machine),
    reason,
  }));
  const why = { name: unit.name, desiredState: unit.desired, placements, machines };
  return { ...why, summary: summarize(snapshot, unit, why) };
}

type Found = Pick<ApiWhy, 'placements' | 'machines'>;

function summarize(snapshot: Snapshot, unit: Unit, found: Found): string {
  if (isTemplateName(unit.name)) return 'not placed: a template is never placed itself, only its instances are';
  if (unit.desired === 'inactive' && found.placements.length === 0) {
    return 'not placed: its desired state is inactive, so nobody has asked for it to be loaded or started';
  }
  if (unit.needs.global) return summarizeGlobal(found);
  const [placement] = found.placements;
  if (placement) return summarizePlaced(snapshot, unit, placement);
  const unplaced = summarizeUnplaced(snapshot, found);
  return unit.ran ? `${unplaced}; ${ranOnce(snapshot, unit.name, unit.ran)}` : unplaced;
}

function summarizeGlobal({ placements, machines }: Found): string {
  const where = `global: placed on ${placements.length} of ${count(machines.length, 'machine')}`;
  const refused = machines.filter(({ reason }) => reason !== undefined).length;
  return refused === 0 ? where : `${where}, ${refused === 1 ? '1 does' : `${refused} do`} not qualify`;
}

function summarizePlaced(snapshot: Snapshot, unit: Unit, placement: ApiWhy['placements'][number]): string {
  const { machineID, address, reason } = placement;
  const where = `placed on ${shortMachine(machineID, address)}`;
  if (!snapshot.machines.has(machineID)) return `${where}, which is not in the cluster at the moment`;
  if (unit.ran) return `${where}; ${ranOnce(snapshot, unit.name, unit.ran)}`;
  const note = snapshot.statuses.get(unit.name)?.get(machineID)?.note;
  return note === undefined ? `${where}: ${reason}` : `${where}: ${reason}; that machine reports: ${note}`;
}

function ranOnce(snapshot: Snapshot, name: string, { machine, atMs }: RanOnce): string {
  const on = shortMachine(machine, snapshot.machines.get(machine)?.address);
  const at = new Date(atMs).toISOString();
  return `it ran once to success on ${on} at ${at} (RunOnce); to run it again: fleetctl start ${name}`;
}

function summarizeUnplaced(snapshot: Snapshot, { machines }: Found): string {
  if (machines.length === 0) return 'not placed: there is no machine in the cluster';
  const fit = machines.filter(({ reason }) => reason === undefined).length;
  if (fit === 0) return `not placed: none of ${count(machines.length, 'machine')} qualifies`;
  const could = `${fit} of ${count(machines.length, 'machine')} could take it`;
  if (snapshot.leader === undefined) return `not placed: ${could}, but no machine leads the cluster at the moment`;
  return `not placed yet: ${could}, the leader has not decided yet`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
