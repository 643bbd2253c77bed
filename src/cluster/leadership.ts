import { FlotillaError } from '../lib/index.ts';
import { type Condition, type Lease, MAX_COMMIT_WRITES, type Write } from '../store/index.ts';
import type { Leadership, PlacementWrite } from './cluster.ts';
import { encodeLeader, encodePlacement } from './record-codec.ts';
import { type Records, unchanged, withTime } from './records.ts';

/** See Cluster.campaign. */
export async function campaign(records: Records, machine: string, lease: Lease): Promise<Leadership | undefined> {
  const key = records.keys.leader;
  const current = await records.store.get(key);
  if (current && current.lease !== lease.id) return undefined;
  // Written again even when this machine leads already: a new term begins with a new fence, so that whatever an earlier
  // term may still have under way in the network is refused.
  const value = encodeLeader({ machine, sinceMs: records.clock.now() });
  const { ok, revision } = await records.store.commit(
    // The machine must be present too: a leader whose record nobody sees could not be told from a dead one.
    [unchanged(key, current), { key: records.keys.machine(machine), lease: lease.id }],
    [records.put(key, value, lease)],
  );
  return ok ? leadership(records, { key, modRevision: revision }) : undefined;
}

function leadership(records: Records, fence: Condition): Leadership {
  return {
    fence,
    async place(writes) {
      assertCommitSize(writes);
      const { ok, revision } = await records.store.commit(
        [fence],
        withTime(
          records,
          writes.map((write) => toWrite(records, write)),
        ),
      );
      return ok ? revision : undefined;
    },
    async resign() {
      await records.store.commit([fence], withTime(records, [{ delete: records.keys.leader }]));
    },
    async noteLost(machine) {
      await records.store.commit([fence], [records.put(records.keys.note, JSON.stringify({ lost: machine }))]);
    },
  };
}

function assertCommitSize(writes: readonly PlacementWrite[]): void {
  // One more when all of them delete: the note.
  if (writes.length >= MAX_COMMIT_WRITES)
    throw new FlotillaError('internal', `a commit of ${writes.length} placements is more than the store takes`);
}

function toWrite(records: Records, write: PlacementWrite): Write {
  if ('put' in write) {
    const { put } = write;
    return records.put(records.keys.placement(put.machine, put.unit), encodePlacement(put));
  }
  return { delete: records.keys.placement(write.remove.machine, write.remove.unit) };
}
