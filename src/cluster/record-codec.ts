import { isObject } from '../lib/index.ts';
import type {
  DesiredState,
  ExternalNode,
  Machine,
  Needs,
  PlacedState,
  Placement,
  RanOnce,
  Unit,
  UnitExit,
  UnitStatus,
} from '../model/index.ts';
import { externalNodeId, NO_NEEDS } from '../model/index.ts';
import type { Leader } from './snapshot.ts';

/**
 * Records in the store: JSON objects without what their key says already. Decoding ignores unknown fields, so that a newer
 * version may add some, and checks all others: a record with a wrong value decodes to undefined, and counts as absent.
 */
export function decodeUnit(name: string, value: string): Unit | undefined {
  const record = parseObject(value);
  const hash = record?.['hash'];
  const desired = record?.['desired'];
  if (typeof hash !== 'string' || !isDesired(desired)) return undefined;
  const ran = decodeRan(record?.['ran']);
  return { name, hash, desired, needs: decodeNeeds(record?.['needs']), ...(ran ? { ran } : {}) };
}

export function encodeUnit(unit: Unit): string {
  const { hash, desired, needs, ran } = unit;
  return JSON.stringify({ hash, desired, needs: withoutDefaults(needs), ran });
}

function decodeRan(value: unknown): RanOnce | undefined {
  const { machine, atMs } = asObject(value);
  return typeof machine === 'string' ? { machine, atMs: numberOf(atMs) } : undefined;
}

export function decodeMachine(id: string, value: string): Machine | undefined {
  const record = parseObject(value);
  const address = record?.['address'];
  if (!record || typeof address !== 'string') return undefined;
  const { endpoint, name } = record;
  const resources = asObject(record['resources']);
  return {
    id,
    address,
    ...(typeof name === 'string' ? { name } : {}),
    metadata: stringsOf(record['metadata']),
    ...(typeof endpoint === 'string' ? { endpoint } : {}),
    resources: { cores: numberOf(resources['cores']), memoryBytes: numberOf(resources['memoryBytes']) },
    version: typeof record['version'] === 'string' ? record['version'] : '',
    ...(typeof record['leaving'] === 'boolean' ? { leaving: record['leaving'] } : {}),
  };
}

/** A machine's record. `token` distinguishes a machine that has come back from another one that wrongly has its id. */
export function encodeMachine(machine: Machine, token: string): string {
  const { id: _, leaving = false, ...record } = machine;
  return JSON.stringify({ ...record, leaving, token });
}

export function machineToken(value: string): string | undefined {
  const token = parseObject(value)?.['token'];
  return typeof token === 'string' ? token : undefined;
}

export function decodeExternal(id: string, value: string): ExternalNode | undefined {
  const record = parseObject(value);
  const { name, address, uuid } = record ?? {};
  if (typeof name !== 'string' || externalNodeId(name) !== id || typeof address !== 'string') return undefined;
  return { name, address, uuid: typeof uuid === 'string' ? uuid : '', meta: stringsOf(record?.['meta']) };
}

export function encodeExternal({ name, address, uuid, meta }: ExternalNode): string {
  return JSON.stringify({ name, address, uuid, meta });
}

export function decodePlacement(machine: string, unit: string, value: string): Placement | undefined {
  const record = parseObject(value);
  const hash = record?.['hash'];
  const desired = record?.['desired'];
  const reason = record?.['reason'];
  if (typeof hash !== 'string' || !isPlaced(desired)) return undefined;
  const once = record?.['once'];
  return {
    ...{ machine, unit, hash, desired, reason: typeof reason === 'string' ? reason : '' },
    ...(record?.['onPartition'] === 'stop' ? { onPartition: 'stop' as const } : {}),
    ...(once === 'due' || once === 'done' ? { once } : {}),
  };
}

export function encodePlacement({ hash, desired, reason, onPartition, once }: Placement): string {
  return JSON.stringify({ hash, desired, reason, onPartition, once });
}

export function decodeStatus(machine: string, unit: string, value: string): UnitStatus | undefined {
  const record = parseObject(value);
  const { hash, state, load, active, sub } = record ?? {};
  if (typeof hash !== 'string' || !isPlaced(state)) return undefined;
  if (typeof load !== 'string' || typeof active !== 'string' || typeof sub !== 'string') return undefined;
  const { note, start } = record ?? {};
  const exit = decodeExit(record?.['exit']);
  return {
    ...{ machine, unit, hash, state, load, active, sub },
    ...(typeof note === 'string' ? { note } : {}),
    ...(exit ? { exit } : {}),
    ...(typeof start === 'number' ? { start } : {}),
  };
}

export function encodeStatus({ hash, state, load, active, sub, note, exit, start }: UnitStatus): string {
  return JSON.stringify({ hash, state, load, active, sub, note, exit, start });
}

function decodeExit(value: unknown): UnitExit | undefined {
  const { result, status, signal } = asObject(value);
  if (typeof result !== 'string') return undefined;
  return {
    result,
    ...(typeof status === 'number' ? { status } : {}),
    ...(typeof signal === 'number' ? { signal } : {}),
  };
}

export function decodeLeader(value: string): Leader | undefined {
  const record = parseObject(value);
  const machine = record?.['machine'];
  return typeof machine === 'string' ? { machine, sinceMs: numberOf(record?.['sinceMs']) } : undefined;
}

export function encodeLeader(leader: Leader): string {
  return JSON.stringify(leader);
}

function decodeNeeds(value: unknown): Needs {
  const needs = asObject(value);
  const metadata: Record<string, readonly string[]> = {};
  for (const [key, values] of Object.entries(asObject(needs['metadata']))) metadata[key] = stringList(values);
  return {
    ...(typeof needs['machineId'] === 'string' ? { machineId: needs['machineId'] } : {}),
    machineOf: stringList(needs['machineOf']),
    metadata,
    conflicts: stringList(needs['conflicts']),
    global: needs['global'] === true,
    replaces: stringList(needs['replaces']),
    onPartition: needs['onPartition'] === 'stop' ? 'stop' : 'keep',
    ...(needs['runOnce'] === true ? { runOnce: true as const } : {}),
  };
}

/** Encodes needs without their defaults: most units have none, and 50,000 records stay small. */
function withoutDefaults(needs: Needs): Partial<Needs> | undefined {
  const kept = Object.entries(needs).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(NO_NEEDS[key as keyof Needs]),
  );
  return kept.length === 0 ? undefined : (Object.fromEntries(kept) as Partial<Needs>);
}

export function parseObject(value: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(value);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function stringsOf(value: unknown): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [key, item] of Object.entries(asObject(value))) if (typeof item === 'string') out[key] = item;
  return out;
}

export function stringList(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function isPlaced(value: unknown): value is PlacedState {
  return value === 'loaded' || value === 'launched';
}

function isDesired(value: unknown): value is DesiredState {
  return value === 'inactive' || isPlaced(value);
}
