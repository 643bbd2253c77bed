import type { Machine } from '../model/index.ts';
import type { Entry } from '../store/index.ts';

/** What folding needs of an entry. */
export type FoldEntry = Pick<Entry, 'value' | 'createRevision' | 'modRevision'>;

/** Records of one range folded into maps, one key at a time; `C` is what a change of one is told as. */
export interface FoldOf<C> {
  revision: number;
  /** Sets (or, with `entry` undefined, removes) one key; returns the change it makes, if any. */
  set(key: string, entry: FoldEntry | undefined): C | undefined;
}

/** Sets or removes one key of a map; returns what stood there. */
export function replace<K, V>(map: Map<K, V>, key: K, after: V | undefined): V | undefined {
  const before = map.get(key);
  if (after === undefined) map.delete(key);
  else map.set(key, after);
  return before;
}

/** The same one level down; inner maps come and go with what they hold. */
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

/** The change from `before` to `after`; none when both are absent. */
export function difference<C, T>(what: object, before: T | undefined, after: T | undefined): C | undefined {
  if (before === undefined && after === undefined) return undefined;
  return { ...what, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) } as C;
}

/** What is kept of metadata that users removed, so that it stays removed also where the machine itself announces it. */
export const REMOVED = '';

/** The machine as it announces itself, with what users set and removed of its metadata. */
export function mergeMetadata<M extends Machine>(
  machine: M | undefined,
  overrides: ReadonlyMap<string, string> | undefined,
): M | undefined {
  if (!machine || !overrides?.size) return machine;
  const metadata = new Map([...Object.entries(machine.metadata), ...overrides]);
  for (const [key, value] of overrides) if (value === REMOVED) metadata.delete(key);
  return { ...machine, metadata: Object.fromEntries(metadata) };
}
