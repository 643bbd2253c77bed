import type { Machine } from '../model/index.ts';
import type { Entry } from '../store/index.ts';

/** The part of a store's entry that folding reads. */
export type FoldEntry = Pick<Entry, 'value' | 'createRevision' | 'modRevision'>;

/** Records of one range folded into maps, one key at a time; `C` is the type of a change. */
export interface FoldOf<C> {
  revision: number;
  /** Sets (or, with `entry` undefined, removes) one key; returns the change it makes, if any. */
  set(key: string, entry: FoldEntry | undefined): C | undefined;
}

/** Sets or removes one key of a map; returns the value before. */
export function replace<K, V>(map: Map<K, V>, key: K, after: V | undefined): V | undefined {
  const before = map.get(key);
  if (after === undefined) map.delete(key);
  else map.set(key, after);
  return before;
}

/** As `replace`, in a map of maps: an inner map is made for its first key and removed with its last. */
export function replaceNested<T>(
  map: Map<string, Map<string, T>>,
  outer: string,
  inner: string,
  after: T | undefined,
): T | undefined {
  let nested = map.get(outer);
  if (!nested) {
    if (after === undefined) return undefined;
    nested = new Map();
    map.set(outer, nested);
  }
  const before = replace(nested, inner, after);
  if (nested.size === 0) map.delete(outer);
  return before;
}

/** Returns the change from `before` to `after`; none when both are absent. */
export function difference<C, T>(what: object, before: T | undefined, after: T | undefined): C | undefined {
  if (before === undefined && after === undefined) return undefined;
  return { ...what, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) } as C;
}

/** The value of metadata that a user removed: it stays removed even though the machine announces it. */
export const REMOVED = '';

/** Returns the machine as it announces itself, with the metadata that users set and without what they removed. */
export function mergeMetadata<M extends Machine>(
  machine: M | undefined,
  overrides: ReadonlyMap<string, string> | undefined,
): M | undefined {
  if (!machine || !overrides?.size) return machine;
  const metadata = new Map([...Object.entries(machine.metadata), ...overrides]);
  for (const [key, value] of overrides) if (value === REMOVED) metadata.delete(key);
  return { ...machine, metadata: Object.fromEntries(metadata) };
}
