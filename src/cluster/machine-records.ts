import { FlotillaError } from '../lib/index.ts';
import type { Machine, NodeCheck, ServiceInstance, UnitStatus } from '../model/index.ts';
import { type Entry, type Lease, prefixRange, type Write } from '../store/index.ts';
import { commitChunks } from './chunks.ts';
import type { Announcement, Published } from './cluster.ts';
import { decodeInstance, decodeNodeCheck, encodeInstance, encodeNodeCheck } from './instance-codec.ts';
import { decodeMachine, decodeStatus, encodeMachine, encodeStatus, machineToken } from './record-codec.ts';
import { COMPARE_AND_SET_TRIES, type Records, unchanged, withTime } from './records.ts';

/** See Cluster.announce. */
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

/** A record of this very machine from before it lost power: nobody else has its token and its address. */
function isOwnPast(machine: Machine, token: string, entry: Entry): boolean {
  return machineToken(entry.value) === token && decodeMachine(machine.id, entry.value)?.address === machine.address;
}

/** See Cluster.statusesOf. */
export function statusesOf(records: Records, announcement: Announcement): Promise<Published<UnitStatus>> {
  const { machine, lease } = announcement;
  const prefix = records.keys.status(machine, '');
  return readAll(records, { prefix, lease }, (unit, value) => decodeStatus(machine, unit, value));
}

/** See Cluster.putStatuses. */
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

/** See Cluster.instancesOf. */
export function instancesOf(records: Records, announcement: Announcement): Promise<Published<ServiceInstance>> {
  const { machine, lease } = announcement;
  const prefix = records.keys.instance(machine, '');
  return readAll(records, { prefix, lease }, (id, value) => decodeInstance(machine, id, value));
}

/** See Cluster.putInstances. */
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

/** See Cluster.checksOf. */
export function checksOf(records: Records, announcement: Announcement): Promise<Published<NodeCheck>> {
  const { machine, lease } = announcement;
  const prefix = records.keys.check(machine, '');
  return readAll(records, { prefix, lease }, (id, value) => decodeNodeCheck(machine, id, value));
}

/** See Cluster.putChecks. */
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

/** What stands under a prefix, by the rest of the key: undefined where it cannot be read, or will not stay. */
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

/** In as few commits as the store takes, each on condition that the announcement still stands. */
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
