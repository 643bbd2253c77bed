import { FlotillaError, isFlotillaError } from '../lib/index.ts';
import type { WatchEvent } from '../store/index.ts';
import { Fold } from './fold.ts';
import { dated, type Moment, momentsOf } from './moments.ts';
import type { Records } from './records.ts';
import type { Change } from './snapshot.ts';

export interface History {
  /** One for each revision that changed something, in their order. */
  readonly moments: readonly Moment[];
  /** The newest revision it covers. */
  readonly until: number;
  /** More was asked for than the store remembers: it has been compacted up to this revision. */
  readonly compactedAt?: number;
}

/** What the last `limit` revisions changed, as far as the store still keeps them. Ends by itself: it is no watch. */
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
  /** Revisions: this one is not part of the span, */
  readonly after: number;
  /** and this one is. */
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

/** The event's change, with what stood there before it as the store remembers it. */
function changeOf(fold: Fold, event: WatchEvent): Change | undefined {
  const key = event.type === 'put' ? event.entry.key : event.key;
  // What stood there has been compacted away: nobody knows what this changed.
  if (!event.previous && (event.type === 'delete' || event.entry.createRevision < event.entry.modRevision)) {
    fold.set(key, event.type === 'put' ? event.entry : undefined);
    return undefined;
  }
  if (event.previous) fold.set(key, event.previous);
  return fold.set(key, event.type === 'put' ? event.entry : undefined);
}
