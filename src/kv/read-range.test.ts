import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { compact, connectTo, startEmbedded } from '../../test/contract/store-servers.ts';
import type { ListOptions, Range, Store } from '../store/index.ts';
import { readRange } from './read-range.ts';

const server = await startEmbedded();
const store = connectTo(server.endpoint);
after(async () => {
  await store.close();
  await server.stop();
});

const RANGE = { from: '/k/', to: '/k0' };
for (let at = 0; at < 150; at += 50)
  await store.commit(
    [],
    Array.from({ length: 50 }, (_, i) => ({ put: `/k/${at + i}`, value: 'x' })),
  );

/** The store, compacted after the first page of a reading for so many times. */
function compactedOften(times: number) {
  let left = times;
  const list = async (range: Range, options?: ListOptions) => {
    const page = await store.list(range, options);
    if (options?.revision === undefined && left-- > 0) {
      const { revision } = await store.commit([], [{ put: '/other', value: 'x' }]);
      await compact(server.endpoint, revision);
    }
    return page;
  };
  return { list } as Store;
}

test('a range is read again when its revision is compacted meanwhile, and not for ever', {
  timeout: 60_000,
}, async () => {
  assert.equal((await readRange(compactedOften(3), RANGE)).entries.length, 150);
  await assert.rejects(readRange(compactedOften(Number.POSITIVE_INFINITY), RANGE), {
    code: 'unavailable',
    message: 'The store is compacted faster than the keys can be read; try again',
  });
});
