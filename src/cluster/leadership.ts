import { FlotillaError } from '../lib/index.ts';
import type { Placement } from '../model/index.ts';
import { type Condition, type Lease, MAX_COMMIT_WRITES, type Write } from '../store/index.ts';
import { encodeLeader, encodePlacement } from './record-codec.ts';
import { type Records, unchanged, withTime } from './records.ts';

/**
 * One term of a leader. Its fence is part of every engine write, so that the store refuses a deposed leader, and what a
 * former term of the same machine left in the network. Within a term commits follow one another; when the outcome of one
 * is unknown the term is over.
 */
export interface Leadership {
  readonly fence: Condition;
  /** Applies placements in one commit; returns its revision, undefined when no longer leader (nothing was written). */
  place(writes: readonly PlacementWrite[]): Promise<number | undefined>;
  /** Writes down when a machine was found gone, which its lease does not tell. */
  noteLost(machine: string): Promise<void>;
  /** Gives leadership up at once. */
  resign(): Promise<void>;
}

export type PlacementWrite =
  | { readonly put: Placement }
  | { readonly remove: { readonly machine: string; readonly unit: string } };

/** Begins a new term as leader under the machine's lease; undefined while somebody else leads. */
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
