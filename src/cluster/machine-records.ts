import { FlotillaError } from '../lib/index.ts';
import type { Machine, NodeCheck, ServiceInstance, UnitStatus } from '../model/index.ts';
import { type Condition, type Entry, type Lease, prefixRange, type Write } from '../store/index.ts';
import { commitChunks } from './chunks.ts';
import { decodeInstance, decodeNodeCheck, encodeInstance, encodeNodeCheck } from './instance-codec.ts';
import { decodeMachine, decodeStatus, encodeMachine, encodeStatus, machineToken } from './record-codec.ts';
import { COMPARE_AND_SET_TRIES, type Records, unchanged, withTime } from './records.ts';

/** A machine's presence from one announcement to the next. */
export interface Announcement {
  readonly machine: string;
  readonly lease: Lease;
  /** The condition that this machine was not announced since, and that its lease lasts. */
  readonly fence: Condition;
}

/**
 * The records that a machine has published; undefined for one that cannot be read, or that hangs on another lease than its
 * announcement's and will vanish with that.
 */
export type Published<T> = ReadonlyMap<string, T | undefined>;

/** Grants the lease on which all records of a machine hang. */
export function lease({ store }: Records, ttlMs: number): Promise<Lease> {
  return store.lease(ttlMs);
}

/** Takes over the lease of an earlier fleetd of this machine; returns undefined when it has ended. */
export function resumeLease({ store }: Records, id: string): Promise<Lease | undefined> {
  return store.resumeLease(id);
}

/**
 * Announces the machine under its lease. `token` is random and kept on the machine's disk: a record of the same machine from
 * before it lost power (same token, same address) is taken over at once, and its lease revoked with all that hung on it.
 * Returns `taken` when another live fleetd holds this machine id. The record is written even when nothing in it has changed:
 * each announcement has a fence of its own, and the store refuses late writes under an earlier one (docs/adr/0004).
 */
export async function announce(
  records: Records,
  machine: Machine,
  token: string,
  lease: Lease,
): Promise<Announcement | 'taken'> {
  const key = records.keys.machine(machine.id);
  const value = encodeMachine(machine, token);
  for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries++) {
    const current = await records.store.get(key);
    const inherited = current !== undefined && current.lease !== lease.id;
    if (inherited && !isOwnPast(machine, token, current)) return 'taken';
    const { ok, revision } = await records.store.commit([unchanged(key, current)], [records.put(key, value, lease)]);
    if (!ok) continue;
    if (inherited && current.lease) await records.store.revokeLease(current.lease);
    return { machine: machine.id, lease, fence: { key, modRevision: revision } };
  }
  return 'taken';
}

/** Returns true for a record of this machine from before it lost power: no other has its token and its address. */
function isOwnPast(machine: Machine, token: string, entry: Entry): boolean {
  return machineToken(entry.value) === token && decodeMachine(machine.id, entry.value)?.address === machine.address;
}

/** Returns the statuses that this machine has published and that are still there, by unit. */
export function statusesOf(records: Records, announcement: Announcement): Promise<Published<UnitStatus>> {
  const { machine, lease } = announcement;
  const prefix = records.keys.status(machine, '');
  return readAll(records, { prefix, lease }, (unit, value) => decodeStatus(machine, unit, value));
}

/**
 * Writes (or, with `status` undefined, removes) statuses of the announced machine in as few commits as possible.
 * Rejects with `conflict` when that announcement no longer stands.
 */
export function putStatuses(
  records: Records,
  announcement: Announcement,
  changes: ReadonlyMap<string, UnitStatus | undefined>,
): Promise<void> {
  const writes = [...changes].map(([unit, status]): Write => {
    const key = records.keys.status(announcement.machine, unit);
    return status ? records.put(key, encodeStatus(status), announcement.lease) : { delete: key };
  });
  return commitAnnounced(records, announcement, writes);
}

/** As statusesOf, for its service instances, by their ids. */
export function instancesOf(records: Records, announcement: Announcement): Promise<Published<ServiceInstance>> {
  const { machine, lease } = announcement;
  const prefix = records.keys.instance(machine, '');
  return readAll(records, { prefix, lease }, (id, value) => decodeInstance(machine, id, value));
}

/** As putStatuses. */
export function putInstances(
  records: Records,
  announcement: Announcement,
  changes: ReadonlyMap<string, ServiceInstance | undefined>,
): Promise<void> {
  const writes = [...changes].map(([id, instance]): Write => {
    const key = records.keys.instance(announcement.machine, id);
    return instance ? records.put(key, encodeInstance(instance), announcement.lease) : { delete: key };
  });
  return commitAnnounced(records, announcement, writes);
}

/** As statusesOf, for the checks of the whole machine. */
export function checksOf(records: Records, announcement: Announcement): Promise<Published<NodeCheck>> {
  const { machine, lease } = announcement;
  const prefix = records.keys.check(machine, '');
  return readAll(records, { prefix, lease }, (id, value) => decodeNodeCheck(machine, id, value));
}

/** As putStatuses. */
export function putChecks(
  records: Records,
  announcement: Announcement,
  changes: ReadonlyMap<string, NodeCheck | undefined>,
): Promise<void> {
  const writes = [...changes].map(([id, check]): Write => {
    const key = records.keys.check(announcement.machine, id);
    return check ? records.put(key, encodeNodeCheck(check), announcement.lease) : { delete: key };
  });
  return commitAnnounced(records, announcement, writes);
}

/** Returns the records under a prefix, by the rest of their keys (see Published). */
async function readAll<T>(
  records: Records,
  { prefix, lease }: { readonly prefix: string; readonly lease: Lease },
  decode: (rest: string, value: string) => T | undefined,
): Promise<Published<T>> {
  const found = new Map<string, T | undefined>();
  const { entries } = await records.store.list(prefixRange(prefix));
  for (const entry of entries) {
    const rest = entry.key.slice(prefix.length);
    found.set(rest, entry.lease === lease.id ? decode(rest, entry.value) : undefined);
  }
  return found;
}

/** Writes in as few commits as the store takes, each on the condition that the announcement still stands. */
async function commitAnnounced(
  records: Records,
  { machine, fence }: Announcement,
  writes: readonly Write[],
): Promise<void> {
  for (const batch of commitChunks(writes)) {
    const { ok } = await records.store.commit([fence], withTime(records, batch));
    if (!ok) throw new FlotillaError('conflict', `machine ${machine} has been announced anew, or is no longer present`);
  }
}
