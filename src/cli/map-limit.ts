import { isFlotillaError } from '../lib/index.ts';

/** Runs `each` over the items, `limit` at a time; answers results in order. Rejects with the first failure. */
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

/** The message of an error that is about one item alone; one that would meet all the others too is thrown again. */
export function messageOfItem(error: unknown): string {
  if (!isFlotillaError(error) || error.code === 'unavailable' || error.code === 'timeout') throw error;
  return error.message;
}
