import type { Change } from '../cluster/index.ts';
import type { Machine, Unit, UnitExit, UnitStatus } from '../model/index.ts';
import type { ApiHappened, ApiMachineName } from './shapes/index.ts';

/** What a change means, as fields and in words. */
export type Narrated = Omit<ApiHappened, 'type' | 'revision' | 'atMs' | 'approximate'>;

/** What else was so when a change was made. */
export interface Circumstances {
  /** The machine as it was last known. */
  machine(id: string): Machine | undefined;
  /** Why a unit is no longer active, or no longer reported, on that machine; undefined when nobody made it so. */
  reason(unit: string, machine: string, status: 'reported' | 'gone'): string | undefined;
}

/** `85c0c595.../172.17.8.102`, as fleetctl shows machines; the address is left out when it is not known. */
export function shortMachine(id: string, address: string | undefined): string {
  const short = id.length > 8 ? `${id.slice(0, 8)}...` : id;
  return address ? `${short}/${address}` : short;
}

/** Returns the event that a change amounts to, or undefined when it amounts to none. */
export function narrate(change: Change, circumstances: Circumstances): Narrated | undefined {
  switch (change.kind) {
    case 'unit':
      return unitChange(change);
    case 'placement':
      return placementChange(change, circumstances);
    case 'status':
      return statusChange(change, circumstances);
    case 'machine':
      return machineChange(change);
    case 'leader':
      return leaderChange(change, circumstances);
  }
}

/** A machine by all its names that are known. */
export function machineName(id: string, machine: Machine | undefined): ApiMachineName {
  const { name, address } = machine ?? {};
  return { id, ...(name ? { hostname: name } : {}), ...(address ? { address } : {}) };
}

function unitChange({ name, before, after }: Extract<Change, { kind: 'unit' }>): Narrated | undefined {
  const unit = { subject: 'unit', name, unit: name } as const;
  if (after === undefined) return { ...unit, kind: 'unit-destroyed', sentence: `${name} was destroyed` };
  const desired = { ...unit, desiredState: after.desired };
  if (before === undefined)
    return { ...desired, kind: 'unit-submitted', sentence: `${name} was submitted, to be ${after.desired}` };
  const news = [
    ...(before.hash === after.hash ? [] : [`got a new unit file (${shortHash(before)} to ${shortHash(after)})`]),
    ...(!after.ran || before.ran ? [] : ['ran once to success and is not started again']),
    ...(!before.ran || after.ran || before.hash !== after.hash ? [] : ['is to run once more']),
    ...(before.desired === after.desired ? [] : [`is to be ${after.desired} instead of ${before.desired}`]),
  ];
  return news.length === 0
    ? undefined
    : { ...desired, kind: 'unit-changed', sentence: `${name} ${news.join(' and ')}` };
}

function shortHash(unit: Unit): string {
  return unit.hash.slice(0, 7);
}

/** What events of a unit on a machine have in common, and the machine in words. */
function unitOn(unit: string, id: string, { machine }: Circumstances) {
  const known = machine(id);
  const head = { subject: 'unit', name: unit, unit, machine: machineName(id, known) } as const;
  return { head, where: shortMachine(id, known?.address) };
}

function placementChange(
  { unit, machine, before, after }: Extract<Change, { kind: 'placement' }>,
  circumstances: Circumstances,
): Narrated | undefined {
  const { head, where } = unitOn(unit, machine, circumstances);
  if (after === undefined) return { ...head, kind: 'unit-unplaced', sentence: `${unit} was taken off ${where}` };
  if (before !== undefined) return undefined;
  const { reason } = after;
  return { ...head, kind: 'unit-placed', reason, sentence: `${unit} was placed on ${where}: ${reason}` };
}

function statusChange(
  { unit, machine, before, after }: Extract<Change, { kind: 'status' }>,
  circumstances: Circumstances,
): Narrated | undefined {
  const { head, where } = unitOn(unit, machine, circumstances);
  if (after === undefined) {
    const reason = circumstances.reason(unit, machine, 'gone');
    const why = reason === undefined ? {} : { reason };
    const sentence = `${unit} is no longer reported by ${where}${because(reason)}`;
    return { ...head, ...why, kind: 'unit-unreported', sentence };
  }
  const note = after.note === before?.note ? undefined : after.note;
  const moved = before === undefined || stateOf(before) !== stateOf(after);
  if (!moved && note === undefined) return undefined;
  const down = after.active !== 'active' && after.active !== 'activating' && after.active !== 'reloading';
  const stopped = moved && before !== undefined && down ? circumstances.reason(unit, machine, 'reported') : undefined;
  const exit = moved ? after.exit : undefined;
  const reason = [note, stopped, exit && exitText(exit)].filter((text) => text !== undefined).join('; ') || undefined;
  const { load, active, sub } = after;
  const change = before !== undefined && moved ? `went from ${stateOf(before)} to` : 'is';
  return {
    ...head,
    kind: 'unit-state',
    state: { load, active, sub },
    ...(reason === undefined ? {} : { reason }),
    ...exitFields(exit),
    sentence: `${unit} ${change} ${stateOf(after)} on ${where}${because(reason)}`,
  };
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${reason}`;
}

function exitFields(exit: UnitExit | undefined): Pick<Narrated, 'result' | 'exitStatus' | 'signal'> {
  if (exit === undefined) return {};
  const { result, status, signal } = exit;
  return {
    result,
    ...(status === undefined ? {} : { exitStatus: status }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function exitText({ result, status, signal }: UnitExit): string {
  if (status !== undefined && result === 'exit-code') return `exit status ${status}`;
  if (signal !== undefined && (result === 'signal' || result === 'core-dump')) return `ended by signal ${signal}`;
  return result === 'success' ? `exit status ${status ?? 0}` : result;
}

function stateOf({ load, active, sub }: UnitStatus): string {
  return load === 'loaded' ? `${active} (${sub})` : `${load}, ${active} (${sub})`;
}

function machineChange({ id, before, after }: Extract<Change, { kind: 'machine' }>): Narrated | undefined {
  const machine = after ?? before;
  const name = shortMachine(id, machine?.address);
  const head = { subject: 'machine', name: id, machine: machineName(id, machine) } as const;
  if (after === undefined) return { ...head, ...machineEnd(name, before?.leaving) };
  const changed = (sentence: string): Narrated => ({ ...head, kind: 'machine-changed', sentence });
  if (before === undefined)
    return { ...head, kind: 'machine-joined', sentence: `${name} joined the cluster${metadataOf(after)}` };
  if (before.address !== after.address)
    return changed(`${shortMachine(id, before.address)} has the address ${after.address} now`);
  if (metadataOf(before) !== metadataOf(after))
    return changed(`${name} has ${metadataOf(after).replace(/^ with /, '') || 'no metadata'} now`);
  return before.name !== after.name && after.name ? changed(`${name} has the name ${after.name} now`) : undefined;
}

export const LEASE_ENDED = 'its lease ended, as after a power cut, a crash or a loss of the network';

function machineEnd(
  name: string,
  leaving: boolean | undefined,
): Pick<Narrated, 'kind' | 'sentence'> & { reason?: string } {
  const sentence = `${name} left the cluster`;
  if (leaving === undefined) return { kind: 'machine-gone', sentence };
  if (leaving) return { kind: 'machine-left', reason: 'its fleetd was stopped', sentence };
  return { kind: 'machine-lost', reason: LEASE_ENDED, sentence: `${name} is gone: ${LEASE_ENDED}` };
}

function metadataOf({ metadata }: Machine): string {
  const pairs = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? '' : ` with metadata ${pairs.sort().join(',')}`;
}

function leaderChange(
  { before, after }: Extract<Change, { kind: 'leader' }>,
  { machine }: Circumstances,
): Narrated | undefined {
  const id = (after ?? before)?.machine ?? '';
  const known = machine(id);
  const name = shortMachine(id, known?.address);
  const head = { subject: 'leader', name: id, machine: machineName(id, known) } as const;
  if (after === undefined) return { ...head, kind: 'leader-gone', sentence: `${name} leads the cluster no longer` };
  if (before?.machine === after.machine && before.sinceMs === after.sinceMs) return undefined;
  return { ...head, kind: 'leader-elected', sentence: `${name} leads the cluster now` };
}
