import type { Snapshot } from '../cluster/index.ts';
import type { Machine, Placement, Unit, UnitStatus } from '../model/index.ts';
import type { ApiMachine, ApiPlacement, ApiState, ApiUnitState, ApiUnitSummary } from './shapes/index.ts';
import type { UnitHealth } from './unit-health.ts';
import type { UnitText } from './unit-texts.ts';

const NONE: ReadonlyMap<string, never> = new Map<string, never>();
const STATES: readonly ApiState[] = ['inactive', 'loaded', 'launched'];

/** GET /units/N as JSON text: joined from parts, since the options are the bulk and already text. */
export function unitJson(snapshot: Snapshot, unit: Unit, text: UnitText, submitted?: string): string {
  const own = submitted === undefined ? '' : `,"submitted":${JSON.stringify(submitted)}`;
  const head = `{"name":${JSON.stringify(unit.name)},"options":${text.optionsJson},"desiredState":"${unit.desired}"${own}`;
  if (unit.needs.global) return `${head}}`;
  const placement = placementsOf(snapshot, unit.name)[0];
  const machine = placement === undefined ? '' : `,"machineID":${JSON.stringify(placement.machine)}`;
  return `${head},"currentState":"${currentState(snapshot, unit)}"${machine}}`;
}

/** A unit without its text, with all its placements, and on them its services when `health` is given. */
export function summaryOf(snapshot: Snapshot, unit: Unit, text: UnitText, health?: UnitHealth): ApiUnitSummary {
  const withServices = (placement: ApiPlacement): ApiPlacement => {
    const services = health?.servicesOf(unit.name, placement.machineID, text.options);
    return services === undefined ? placement : { ...placement, services };
  };
  return {
    name: unit.name,
    hash: unit.hash,
    description: text.description,
    desiredState: unit.desired,
    currentState: currentState(snapshot, unit),
    global: unit.needs.global,
    ...(unit.ran ? { ran: { machineID: unit.ran.machine, atMs: unit.ran.atMs } } : {}),
    placements: placementsOf(snapshot, unit.name).map((placement) => withServices(apiPlacement(snapshot, placement))),
  };
}

/** A unit's placements by machine id. */
export function placementsOf(snapshot: Snapshot, unit: string): Placement[] {
  return sortedValues(snapshot.placements.get(unit) ?? NONE);
}

/** `inactive` until a machine has reported the file it was given; of several placements (global) the least. */
export function currentState(snapshot: Snapshot, unit: Unit): ApiState {
  const placements = snapshot.placements.get(unit.name) ?? NONE;
  let least = placements.size === 0 ? 0 : STATES.length - 1;
  for (const placement of placements.values()) {
    const status = statusFor(snapshot, placement);
    least = Math.min(least, STATES.indexOf(status?.state ?? 'inactive'));
  }
  return STATES[least]!;
}

/** What the machine reports of just the file it was given. */
function statusFor(snapshot: Snapshot, placement: Placement): UnitStatus | undefined {
  const status = snapshot.statuses.get(placement.unit)?.get(placement.machine);
  return status?.hash === placement.hash ? status : undefined;
}

function apiPlacement(snapshot: Snapshot, placement: Placement): ApiPlacement {
  const status = snapshot.statuses.get(placement.unit)?.get(placement.machine);
  return {
    machineID: placement.machine,
    address: addressOf(snapshot, placement.machine),
    reason: placement.reason,
    desiredState: placement.desired,
    ...(status === undefined ? {} : { status: apiStatus(status) }),
  };
}

function apiStatus({ machine, unit, ...status }: UnitStatus): NonNullable<ApiPlacement['status']> {
  return status;
}

/** The machine's address; empty when it is not there. */
export function addressOf(snapshot: Snapshot, machine: string): string {
  return snapshot.machines.get(machine)?.address ?? '';
}

/** Reported states by unit name, then machine id; only those of that unit and that machine when given. */
export function statesOf(
  snapshot: Snapshot,
  only: { readonly unit?: string | undefined; readonly machine?: string | undefined } = {},
): ApiUnitState[] {
  const names = only.unit === undefined ? sorted(snapshot.statuses.keys()) : [only.unit];
  return names.flatMap((name) =>
    sortedValues(snapshot.statuses.get(name) ?? NONE)
      .filter((status) => only.machine === undefined || status.machine === only.machine)
      .map(apiUnitState),
  );
}

function apiUnitState(status: UnitStatus): ApiUnitState {
  return {
    name: status.unit,
    hash: status.hash,
    machineID: status.machine,
    systemdLoadState: status.load,
    systemdActiveState: status.active,
    systemdSubState: status.sub,
  };
}

/** Live machines by id. */
export function machinesOf(snapshot: Snapshot): ApiMachine[] {
  return sortedValues(snapshot.machines).map(apiMachine);
}

function apiMachine({ id, address, metadata, name, version }: Machine): ApiMachine {
  return {
    ...{ id, primaryIP: address, metadata },
    ...(name ? { hostname: name } : {}),
    ...(version ? { version } : {}),
  };
}

/** Texts in the order of their characters, as all lists of the API are. */
export function sorted(texts: Iterable<string>): string[] {
  return [...texts].sort();
}

function sortedValues<T>(map: ReadonlyMap<string, T>): T[] {
  if (map.size < 2) return [...map.values()];
  return sorted(map.keys()).map((key) => map.get(key)!);
}
