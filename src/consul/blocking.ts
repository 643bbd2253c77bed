import type { KvArea } from '../kv/index.ts';
import { parseGoDuration, unlessAborted } from '../lib/index.ts';
import type { CatalogSnapshot } from '../services/index.ts';
import { ConsulError, type ConsulRequest } from './exchange.ts';

/** A value that can be read and waited for. */
export interface Watchable<T> {
  read(): Promise<Versioned<T>> | Versioned<T>;
  /** Resolves when the value may have changed after the index, or the signal has aborted. */
  changed(after: number, signal: AbortSignal): Promise<void>;
}

export interface Versioned<T> {
  readonly value: T;
  readonly index: number;
  /**
   * The greatest valid index: a query with a greater one comes from a past that the store has lost, and returns at
   * once.
   */
  readonly newest: number;
}

const DEFAULT_WAIT_MS = 300_000;
const MAX_WAIT_MS = 600_000;
/** The wait is lengthened by up to this part of it, so that queries that began together do not return together. */
const JITTER = 1 / 16;

/** Consul's blocking query: returns when the value is newer than `?index`, or after `?wait`. */
export async function blocking<T>(request: ConsulRequest, watchable: Watchable<T>): Promise<Versioned<T>> {
  const { query, parts } = request;
  const index = indexOf(query);
  const waitMs = waitOf(query);
  if (query.has('consistent')) await parts.catalog.sync();
  let found = await watchable.read();
  if (index === 0) return found;
  const isNews = () => found.index > index || index > found.newest;
  if (isNews()) return found;
  const ending = new AbortController();
  const cancel = parts.clock.after(waitMs * (1 + parts.random.float() * JITTER), () => ending.abort());
  const ended = AbortSignal.any([request.gone(), ending.signal]);
  try {
    while (!isNews() && !ended.aborted) {
      await watchable.changed(index, ended);
      found = await watchable.read();
    }
    return found;
  } finally {
    cancel();
  }
}

/** Returns the headers of a response with an index. */
export function indexHeaders({ index }: { readonly index: number }): Readonly<Record<string, string>> {
  return {
    'X-Consul-Index': String(Math.max(1, index)),
    'X-Consul-KnownLeader': 'true',
    'X-Consul-LastContact': '0',
  };
}

/** A value derived from the catalog. The revision of its own latest change is read more often than the value. */
export interface InCatalog<T> {
  value(snapshot: CatalogSnapshot): T;
  index(snapshot: CatalogSnapshot): number;
}

export function inCatalog<T>({ parts: { catalog } }: ConsulRequest, made: InCatalog<T>): Watchable<T> {
  return {
    read() {
      const index = made.index(catalog.snapshot);
      return { value: made.value(catalog.snapshot), index, newest: index };
    },
    changed: (after, signal) =>
      unlessAborted(signal, (resolve) => {
        if (made.index(catalog.snapshot) !== after) resolve();
        return catalog.onChange((snapshot) => {
          if (made.index(snapshot) !== after) resolve();
        });
      }),
  };
}

/** Makes a value derived from pairs or sessions watchable. `modified` are the revisions of their last changes. */
export function inKv<T>(
  { parts: { kv } }: ConsulRequest,
  area: KvArea,
  read: () => Promise<{ readonly value: T; readonly revision: number; readonly modified: readonly number[] }>,
): Watchable<T> {
  return {
    async read() {
      // Read before the pairs: the next query then notices a change that happens while the pairs are read.
      const last = await kv.changes.lastChange(area);
      const { value, revision, modified } = await read();
      const index = modified.reduce((greatest, one) => Math.max(greatest, one), last);
      return { value, index, newest: Math.max(index, revision) };
    },
    changed: (after, signal) => kv.changes.wait(area, after, signal),
  };
}

function indexOf(query: URLSearchParams): number {
  const given = query.get('index') || '0';
  if (!/^\d+$/.test(given)) throw new ConsulError(400, 'Invalid index');
  return Number(given);
}

function waitOf(query: URLSearchParams): number {
  const given = query.get('wait');
  if (!given) return DEFAULT_WAIT_MS;
  const ms = parseGoDuration(given);
  if (ms === undefined) throw new ConsulError(400, 'Invalid wait time');
  return ms === 0 ? DEFAULT_WAIT_MS : Math.min(ms, MAX_WAIT_MS);
}
