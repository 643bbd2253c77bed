import { isFlotillaError } from '../lib/index.ts';

/** Runs `each` over the items, `limit` at a time; returns the results in order. Rejects with the first failure. */
export async function mapLimit<Item, Result>(
  items: readonly Item[],
  limit: number,
  each: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await each(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** Returns the message of an error that concerns one item alone; rethrows an error that would affect all others too. */
export function messageOfItem(error: unknown): string {
  if (!isFlotillaError(error) || error.code === 'unavailable' || error.code === 'timeout') throw error;
  return error.message;
}
