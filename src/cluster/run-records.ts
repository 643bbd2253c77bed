import { FlotillaError } from '../lib/index.ts';
import type { Unit } from '../model/index.ts';
import type { Announcement } from './machine-records.ts';
import { decodePlacement, decodeUnit, encodeUnit } from './record-codec.ts';
import { COMPARE_AND_SET_TRIES, type Records, unchanged } from './records.ts';

interface UnitFile {
  readonly name: string;
  readonly hash: string;
}

export interface OnceRun {
  readonly ran: boolean;
  readonly revision: number;
}

export type RunRecord = 'done' | 'unwanted' | 'outdated';

/** Returns, by unit name, whether this file has ended with success once (RunOnce=true), and the record's revision. */
export async function ranOnce(records: Records, files: readonly UnitFile[]): Promise<ReadonlyMap<string, OnceRun>> {
  const { store, keys } = records;
  const byKey = new Map(files.map((file) => [keys.unit(file.name), file]));
  const runs = new Map<string, OnceRun>();
  for (const { key, value, modRevision: revision } of await store.getMany([...byKey.keys()])) {
    const { name, hash } = byKey.get(key)!;
    const unit = decodeUnit(name, value);
    runs.set(name, { ran: unit?.hash === hash && unit.ran !== undefined, revision });
  }
  return runs;
}

/**
 * Records that the unit ended with success on the announced machine. Returns `unwanted`, and writes nothing, unless the
 * unit still has that file, is to be launched, has yet to run, and is placed there. Returns `outdated` when its record is no
 * longer that of `revision`, by which it was started: its user has started it again. Rejects with `conflict` when the
 * announcement no longer stands.
 */
export async function recordRun(
  records: Records,
  announcement: Announcement,
  file: UnitFile & { readonly revision?: number | undefined },
): Promise<RunRecord> {
  const { store, keys } = records;
  const { machine, fence } = announcement;
  const key = keys.unit(file.name);
  const placementKey = keys.placement(machine, file.name);
  for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries++) {
    const [entry, placement] = await Promise.all([store.get(key), store.get(placementKey)]);
    const unit = entry && decodeUnit(file.name, entry.value);
    const placed = placement && decodePlacement(machine, file.name, placement.value);
    if (!unit || !placed || !isDue(unit, file) || placed.hash !== file.hash) return 'unwanted';
    if (file.revision !== undefined && entry.modRevision !== file.revision) return 'outdated';
    const ran = { machine, atMs: Math.round(records.clock.now()) };
    const { ok } = await store.commit(
      // A unit that is placed elsewhere by now runs there, and that run counts.
      [fence, unchanged(key, entry), unchanged(placementKey, placement)],
      [records.put(key, encodeUnit({ ...unit, ran }))],
    );
    if (ok) return 'done';
  }
  throw new FlotillaError('conflict', `machine ${machine} has been announced anew, or is no longer present`);
}

function isDue(unit: Unit, { hash }: UnitFile): boolean {
  return unit.hash === hash && unit.desired === 'launched' && unit.needs.runOnce === true && !unit.ran;
}
