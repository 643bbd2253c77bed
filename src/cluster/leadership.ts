import { FlotillaError } from '../lib/index.ts';
import type { Placement } from '../model/index.ts';
import { type Condition, type Lease, MAX_COMMIT_WRITES, type Write } from '../store/index.ts';
import { encodeLeader, encodePlacement } from './record-codec.ts';
import { type Records, unchanged, withTime } from './records.ts';

/**
 * One term of a leader. Its fence is a condition of every write of the engine, so that the store refuses the writes of a
 * deposed leader, and late ones of an earlier term of the same machine (docs/adr/0003). Within a term one commit follows
 * the other; the term is over when the outcome of one is unknown.
 */
export interface Leadership {
  readonly fence: Condition;
  /** Applies placements in one commit; returns its revision, or undefined, with nothing written, when deposed. */
  place(writes: readonly PlacementWrite[]): Promise<number | undefined>;
  /** Records the time at which a machine was found gone: the end of its lease leaves none in the store. */
  noteLost(machine: string): Promise<void>;
  /** Gives leadership up at once. */
  resign(): Promise<void>;
}

export type PlacementWrite =
  | { readonly put: Placement }
  | { readonly remove: { readonly machine: string; readonly unit: string } };

/** Begins a new term as leader under the machine's lease; returns undefined while another machine leads. */
export async function campaign(records: Records, machine: string, lease: Lease): Promise<Leadership | undefined> {
  const key = records.keys.leader;
  const current = await records.store.get(key);
  if (current && current.lease !== lease.id) return undefined;
  // The record is written again even when this machine leads already: a new term has a new fence, so that the store refuses
  // the writes of an earlier term that are still under way.
  const value = encodeLeader({ machine, sinceMs: records.clock.now() });
  const { ok, revision } = await records.store.commit(
    // The machine must be present too: other machines would take a leader without a record for dead.
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
  // A commit that only deletes gets one more write, the note.
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
