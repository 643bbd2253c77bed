import type { DesiredState, Unit } from '../model/index.ts';
import { MAX_COMMIT_WRITES, type Write } from '../store/index.ts';
import { chunks } from './chunks.ts';
import { REMOVED } from './fold-steps.ts';
import { decodeUnit, encodeUnit, parseObject } from './record-codec.ts';
import { compareAndSet, type Records, unchanged, withTime } from './records.ts';

/**
 * Creates the unit or replaces its file and desired state, text and record in one commit. `existing` is the record that the
 * caller has read (undefined: none). Returns false when that has changed meanwhile: read again. `submitted` is the file as
 * the user wrote it, where that differs from `text`; users are shown it, and machines load `text`.
 */
export async function putUnit(
  records: Records,
  unit: Unit,
  text: string,
  existing: Unit | undefined,
  submitted?: string,
): Promise<boolean> {
  const key = records.keys.unit(unit.name);
  const current = await records.store.get(key);
  if ((current === undefined) !== (existing === undefined)) return false;
  if (current && existing && !sameUnit(decodeUnit(unit.name, current.value), existing)) return false;
  const { ok } = await records.store.commit(
    [unchanged(key, current)],
    [
      records.put(key, encodeUnit(unit)),
      records.put(records.keys.text(unit.name), JSON.stringify({ hash: unit.hash, text, submitted })),
    ],
  );
  return ok;
}

function sameUnit(a: Unit | undefined, b: Unit): boolean {
  return a !== undefined && encodeUnit(a) === encodeUnit(b);
}

/** Changes only the desired state, and forgets that the unit ran once; returns false when there is no such unit. */
export function setDesired(records: Records, name: string, desired: DesiredState): Promise<boolean> {
  const key = records.keys.unit(name);
  return compareAndSet(records, key, (entry) => {
    const unit = entry && decodeUnit(name, entry.value);
    if (!unit) return undefined;
    const { ran, ...wish } = unit;
    // The user started the unit again, so a unit that ran once is to run once more.
    return unit.desired === desired && !ran ? [] : [records.put(key, encodeUnit({ ...wish, desired }))];
  });
}

/** Removes the unit and its text in one commit; returns false when there is no such unit. */
export function destroyUnit(records: Records, name: string): Promise<boolean> {
  const key = records.keys.unit(name);
  return compareAndSet(
    records,
    key,
    (entry) => entry && withTime(records, [{ delete: key }, { delete: records.keys.text(name) }]),
  );
}

/**
 * Returns unit file texts (serialised form) by hash, without those that are absent or whose unit has another hash by now.
 * Units of one template share a hash: name one of them per hash.
 */
export async function texts(
  records: Records,
  units: readonly { readonly name: string; readonly hash: string }[],
): Promise<ReadonlyMap<string, string>> {
  const wanted = new Set(units.map((unit) => unit.hash));
  const texts = new Map<string, string>();
  for (const entry of await records.store.getMany(units.map((unit) => records.keys.text(unit.name)))) {
    const { hash, text } = parseObject(entry.value) ?? {};
    if (typeof hash !== 'string' || typeof text !== 'string') records.onUnreadable(entry.key);
    else if (wanted.has(hash)) texts.set(hash, text);
  }
  return texts;
}

/** Returns the unit's file as submitted; undefined where that is the serialised form, or the unit has another hash. */
export async function submittedText(
  records: Records,
  { name, hash }: { readonly name: string; readonly hash: string },
): Promise<string | undefined> {
  const entry = await records.store.get(records.keys.text(name));
  const record = entry && parseObject(entry.value);
  const submitted = record?.['submitted'];
  return record?.['hash'] === hash && typeof submitted === 'string' ? submitted : undefined;
}

/** Sets (string) or removes (undefined) metadata of a machine; this outlives the machine's presence. */
export async function setMetadata(
  records: Records,
  changes: readonly { machine: string; key: string; value: string | undefined }[],
): Promise<void> {
  const writes = new Map<string, Write>();
  for (const { machine, key, value } of changes) {
    const name = records.keys.metadata(machine, key);
    // etcd refuses a commit that writes a key twice, so the last value of each counts.
    writes.set(name, { put: name, value: value ?? REMOVED });
  }
  for (const batch of chunks([...writes.values()], MAX_COMMIT_WRITES)) await records.store.commit([], batch);
}
