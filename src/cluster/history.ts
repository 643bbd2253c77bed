import { FlotillaError, isFlotillaError } from '../lib/index.ts';
import type { WatchEvent } from '../store/index.ts';
import { Fold } from './fold.ts';
import { dated, type Moment, momentsOf } from './moments.ts';
import type { Records } from './records.ts';
import type { Change } from './snapshot.ts';

export interface History {
  /** One moment for each revision that changed something, in order. */
  readonly moments: readonly Moment[];
  /** The newest revision that the history covers. */
  readonly until: number;
  /** The revision up to which the store is compacted, when more was asked for than it still keeps. */
  readonly compactedAt?: number;
}

/** Returns what the last `limit` revisions changed, as far as the store still keeps them. */
export async function history(records: Records, limit: number, signal: AbortSignal): Promise<History> {
  const { store } = records;
  const until = await store.revision();
  try {
    return { moments: await replay(records, { after: Math.max(0, until - limit), until, signal }), until };
  } catch (error) {
    if (!isFlotillaError(error, 'compacted') || signal.aborted) throw error;
    const kept = error.facts['compactRevision'];
    if (typeof kept !== 'number') throw error;
    return {
      moments: kept < until ? await replay(records, { after: kept, until, signal }) : [],
      until,
      compactedAt: kept,
    };
  }
}

interface Span {
  /** The revision before the span. */
  readonly after: number;
  /** The last revision of the span. */
  readonly until: number;
  readonly signal: AbortSignal;
}

async function replay({ store, keys }: Records, { after, until, ...span }: Span): Promise<readonly Moment[]> {
  const ending = new AbortController();
  const signal = AbortSignal.any([span.signal, ending.signal]);
  const moments: Moment[] = [];
  const fold = new Fold(keys, () => {});
  const watch = store.watch(keys.fullRange, after, signal);
  watch.requestProgress();
  try {
    for await (const { revision, events } of watch) {
      const steps = events.map((event) => ({ event, change: changeOf(fold, event) }));
      moments.push(...momentsOf({ revision, changes: [], steps }));
      if (revision >= until) break;
      if (events.length === 0) watch.requestProgress();
    }
  } finally {
    ending.abort(new FlotillaError('unavailable', 'history has been read'));
  }
  return dated(moments).filter(({ changes }) => changes.length > 0);
}

/** Returns the event's change with the record before it, which the watch delivers unless it was compacted. */
function changeOf(fold: Fold, event: WatchEvent): Change | undefined {
  const key = event.type === 'put' ? event.entry.key : event.key;
  // The record before it has been compacted away, so what the event changed is unknown.
  if (!event.previous && (event.type === 'delete' || event.entry.createRevision < event.entry.modRevision)) {
    fold.set(key, event.type === 'put' ? event.entry : undefined);
    return undefined;
  }
  if (event.previous) fold.set(key, event.previous);
  return fold.set(key, event.type === 'put' ? event.entry : undefined);
}
