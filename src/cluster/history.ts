import { FlotillaError, isFlotillaError } from '../lib/index.ts';
import type { Store, WatchEvent } from '../store/index.ts';
import { Fold } from './fold.ts';
import type { Keys } from './keys.ts';
import { stampOf } from './records.ts';
import type { Change, ChangeBatch } from './snapshot.ts';

export interface HistoryOptions {
  readonly store: Store;
  readonly keys: Keys;
  /** How many revisions back at most. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

/** What the store still remembers of the last `limit` revisions: nothing is written to have a history. */
export async function readHistory(options: HistoryOptions): Promise<readonly ChangeBatch[]> {
  const { store, limit, signal } = options;
  const until = await store.revision();
  try {
    return await replay(options, Math.max(0, until - limit), until);
  } catch (error) {
    const kept = isFlotillaError(error, 'compacted') ? error.facts['compactRevision'] : undefined;
    if (typeof kept !== 'number' || kept >= until || signal.aborted) {
      if (isFlotillaError(error, 'compacted')) return [];
      throw error;
    }
    return replay(options, kept, until);
  }
}

async function replay(options: HistoryOptions, after: number, until: number): Promise<readonly ChangeBatch[]> {
  const { store, keys } = options;
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  const batches: ChangeBatch[] = [];
  const fold = new Fold(keys, () => {});
  const watch = store.watch(keys.fullRange, after, signal);
  watch.requestProgress();
  try {
    for await (const { revision, events } of watch) {
      const changes = events.map((event) => changeOf(fold, event)).filter((change) => change !== undefined);
      if (changes.length > 0) batches.push({ revision, changes, ...writtenAt(events) });
      if (revision >= until) return dated(batches);
      if (events.length === 0) watch.requestProgress();
    }
  } finally {
    ending.abort(new FlotillaError('unavailable', 'history has been read'));
  }
  return dated(batches);
}

/** A revision that only deletes tells no time: the next one's is the latest at which it can have happened. */
function dated(batches: readonly ChangeBatch[]): ChangeBatch[] {
  let next: number | undefined;
  return batches
    .toReversed()
    .map((batch) => {
      next = batch.atMs ?? next;
      return next === undefined ? batch : { ...batch, atMs: next };
    })
    .toReversed();
}

/** When the youngest record of a revision was written; nothing when it only deletes. */
function writtenAt(events: readonly WatchEvent[]): { atMs?: number } {
  const stamps = events.map((event) => (event.type === 'put' ? (stampOf(event.entry.value) ?? 0) : 0));
  const atMs = Math.max(...stamps);
  return atMs > 0 ? { atMs } : {};
}

/** The event's change, with what stood there before it as the store remembers it. */
function changeOf(fold: Fold, event: WatchEvent): Change | undefined {
  const key = event.type === 'put' ? event.entry.key : event.key;
  if (event.previous) fold.set(key, event.previous);
  return fold.set(key, event.type === 'put' ? event.entry : undefined);
}
