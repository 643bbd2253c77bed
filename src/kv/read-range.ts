import { AtMost, FlotillaError, isFlotillaError } from '../lib/index.ts';
import type { Entry, Listing, Range, Store } from '../store/index.ts';

/** Limit of the records that one listing may return, in characters; a longer listing is refused as a whole. */
const MAX_CHARS = 32 << 20;
/** Entries of the first page. Each later page has as many as fit PAGE_CHARS, judged by the pages before. */
const FIRST_PAGE = 100;
const PAGE_CHARS = 8 << 20;
const MAX_PAGE = 4000;
/** A listing takes some ten times its size in memory until its response has been sent. */
const READINGS_AT_ONCE = 2;

/** How often reading begins anew. A store that compacts every few minutes does so between two pages once in a while. */
const TRIES = 8;

const readings = new AtMost(READINGS_AT_ONCE);

/**
 * Lists all entries of a range at one revision. Throws `too-large` soon after the listing exceeds MAX_CHARS less
 * `already`.
 */
export function readRange(store: Store, range: Range, already = 0): Promise<Listing> {
  return readings.run(async () => {
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        return await readPages(store, range, already);
      } catch (error) {
        // The revision of the first page may be compacted before the last page is read: begin again.
        if (!isFlotillaError(error, 'compacted')) throw error;
      }
    }
    throw new FlotillaError('unavailable', 'The store is compacted faster than the keys can be read; try again');
  });
}

async function readPages(store: Store, { from, to }: Range, already: number): Promise<Listing> {
  const entries: Entry[] = [];
  let revision: number | undefined;
  let next = from;
  let chars = 0;
  let limit = FIRST_PAGE;
  for (;;) {
    const page = await store.list({ from: next, to }, { limit, ...(revision === undefined ? {} : { revision }) });
    revision ??= page.revision;
    for (const entry of page.entries) {
      entries.push(entry);
      chars += sizeOf(entry);
    }
    assertFits(already + chars);
    const last = page.entries.at(-1);
    if (!page.more || !last) return { entries, revision, more: false };
    next = `${last.key}\0`;
    limit = Math.max(1, Math.min(MAX_PAGE, Math.floor((PAGE_CHARS * entries.length) / chars)));
  }
}

/** Throws `too-large` when one response cannot hold so many characters. */
export function assertFits(chars: number): void {
  if (chars <= MAX_CHARS) return;
  throw new FlotillaError(
    'too-large',
    `The response would hold more than ${MAX_CHARS} bytes; read fewer keys at a time`,
  );
}

/** Returns the characters of a record. */
export function sizeOf({ key, value }: Entry): number {
  return key.length + value.length;
}
