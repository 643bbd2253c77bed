import { AtMost, FlotillaError, isFlotillaError } from '../lib/index.ts';
import type { Entry, Listing, Range, Store } from '../store/index.ts';

/** Characters of records that one reading may return: whoever asks for more gets none of them. */
const MAX_CHARS = 32 << 20;
/** Entries of the first page; of a later one as many as come to PAGE_CHARS, as those before were. */
const FIRST_PAGE = 100;
const PAGE_CHARS = 8 << 20;
const MAX_PAGE = 4000;
/** Each takes some ten times its size until its response has been made. */
const READINGS_AT_ONCE = 2;

const readings = new AtMost(READINGS_AT_ONCE);

/**
 * All entries of a range, at one revision. Throws `too-large` without having read much more than what `already` characters
 * leave of MAX_CHARS.
 */
export function readRange(store: Store, range: Range, already = 0): Promise<Listing> {
  return readings.run(async () => {
    for (;;) {
      try {
        return await readPages(store, range, already);
      } catch (error) {
        // The revision of the first page may be compacted before the last page is read.
        if (!isFlotillaError(error, 'compacted')) throw error;
      }
    }
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

/** Throws `too-large` when so many characters are more than one response may hold. */
export function assertFits(chars: number): void {
  if (chars <= MAX_CHARS) return;
  throw new FlotillaError(
    'too-large',
    `The response would hold more than ${MAX_CHARS} bytes; read fewer keys at a time`,
  );
}

/** Characters of a record. */
export function sizeOf({ key, value }: Entry): number {
  return key.length + value.length;
}
