import type { WatchEvent } from '../store/index.ts';
import { NOTE } from './keys.ts';
import { parseObject } from './record-codec.ts';
import { stampOf } from './records.ts';
import type { Change, ChangeBatch } from './snapshot.ts';

/** The changes that one revision made, and when. */
export interface Moment {
  readonly revision: number;
  readonly changes: readonly Change[];
  /** Milliseconds since 1970; absent when neither this revision nor a later one has a time. */
  readonly atMs?: number;
  /** True when `atMs` is the time of a later record: the revision was made then or before. */
  readonly approximate?: true;
  /** The machine or leader whose end this revision dates: a note names a lost machine, a new leader follows an old one. */
  readonly reactsTo?: 'leader' | { readonly machine: string };
}

/** Returns the moments of a batch, one for each revision. A batch that was listed has no revisions: one without a time. */
export function momentsOf({ revision, changes, steps }: ChangeBatch): Moment[] {
  if (steps === undefined) return [{ revision, changes }];
  const byRevision = Map.groupBy(steps, ({ event }) => revisionOf(event));
  return [...byRevision].map(([made, group]) => ({
    revision: made,
    changes: group.flatMap(({ change }) => (change === undefined ? [] : [change])),
    ...writtenAt(group.map(({ event }) => event)),
    ...reaction(group),
  }));
}

/**
 * Dates revisions without a time, since the store ends a lease without writing the time down: each gets that of the next
 * revision with one. That is exact where the next one is the reaction to it, and an upper bound otherwise.
 */
export function dated(moments: readonly Moment[]): Moment[] {
  let next: Moment | undefined;
  return moments
    .toReversed()
    .map((moment) => {
      if (moment.atMs !== undefined) next = moment;
      if (moment.atMs !== undefined || next?.atMs === undefined) return moment;
      const exact = ends(moment, next.reactsTo);
      return { ...moment, atMs: next.atMs, ...(exact ? {} : { approximate: true as const }) };
    })
    .toReversed();
}

function ends({ changes }: Moment, what: Moment['reactsTo']): boolean {
  return changes.some((change) => {
    if (what === undefined || change.after !== undefined) return false;
    return what === 'leader' ? change.kind === 'leader' : change.kind === 'machine' && change.id === what.machine;
  });
}

function revisionOf(event: WatchEvent): number {
  return event.type === 'put' ? event.entry.modRevision : event.modRevision;
}

/** Returns when a revision was written: the time in its records, or in the last record of a machine that leaves with it. */
function writtenAt(events: readonly WatchEvent[]): { atMs?: number } {
  const stamps = events.flatMap((event) => {
    if (event.type === 'put') return stampOf(event.entry.value) ?? [];
    return isLastWord(event) ? (stampOf(event.previous!.value) ?? []) : [];
  });
  return stamps.length === 0 ? {} : { atMs: Math.max(...stamps) };
}

function isLastWord({ previous, key }: { readonly previous?: { readonly value: string }; readonly key: string }) {
  return (
    previous !== undefined && key.includes('/cluster/machine/') && parseObject(previous.value)?.['leaving'] === true
  );
}

function reaction(group: NonNullable<ChangeBatch['steps']>): Pick<Moment, 'reactsTo'> {
  for (const { event, change } of group) {
    if (event.type !== 'put') continue;
    if (change?.kind === 'leader') return { reactsTo: 'leader' };
    const lost = event.entry.key.endsWith(NOTE) ? parseObject(event.entry.value)?.['lost'] : undefined;
    if (typeof lost === 'string') return { reactsTo: { machine: lost } };
  }
  return {};
}
