import { FlotillaError } from '../lib/index.ts';
import type { Machine, UnitStatus } from '../model/index.ts';
import { type Entry, type Lease, MAX_COMMIT_WRITES, prefixRange, type Write } from '../store/index.ts';
import { chunks } from './chunks.ts';
import type { Announcement } from './cluster.ts';
import { decodeMachine, decodeStatus, encodeMachine, encodeStatus, machineToken } from './record-codec.ts';
import { COMPARE_AND_SET_TRIES, type Records, unchanged } from './records.ts';

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
export async function statusesOf(records: Records, machine: string): Promise<ReadonlyMap<string, UnitStatus>> {
  const statuses = new Map<string, UnitStatus>();
  const { entries } = await records.store.list(prefixRange(records.keys.status(machine, '')));
  for (const { key, value } of entries) {
    const parsed = records.keys.parse(key);
    const status = parsed?.kind === 'status' ? decodeStatus(machine, parsed.unit, value) : undefined;
    if (status) statuses.set(status.unit, status);
  }
  return statuses;
}

/** See Cluster.putStatuses. */
export async function putStatuses(
  records: Records,
  { machine, lease, fence }: Announcement,
  changes: ReadonlyMap<string, UnitStatus | undefined>,
): Promise<void> {
  const writes = [...changes].map(([unit, status]): Write => {
    const key = records.keys.status(machine, unit);
    return status ? records.put(key, encodeStatus(status), lease) : { delete: key };
  });
  for (const batch of chunks(writes, MAX_COMMIT_WRITES)) {
    const { ok } = await records.store.commit([fence], batch);
    if (!ok) throw new FlotillaError('conflict', `machine ${machine} has been announced anew, or is no longer present`);
  }
}
