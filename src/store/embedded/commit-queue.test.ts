import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../lib/index.ts';
import { PutRequest } from '../proto/index.ts';
import { CommitQueue } from './commit-queue.ts';
import { openDataDirectory } from './data-directory.ts';
import { Keyspace } from './keyspace.ts';

test('a hook that fails after a commit fails no request that was left for the next one', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'commit-queue-'));
  const data = openDataDirectory(directory);
  t.after(async () => {
    await data.close();
    rmSync(directory, { recursive: true });
  });
  // Each look at the clock takes a second, which leaves no time for a second request.
  let nowMs = 0;
  const clock = { ...systemClock, monotonic: () => (nowMs += 1000) };
  const committed: number[] = [];
  const hooks = {
    beforeCommit: () => {},
    afterCommit: (commits: readonly { readonly revision: number }[]) => {
      committed.push(...commits.map(({ revision }) => revision));
      if (committed.length === 1) throw new Error('the hook fails');
    },
  };
  const queue = new CommitQueue(data.database, new Keyspace(data.database.tables), hooks, clock);
  const put = (name: string) =>
    queue.submit((writer) => {
      writer.put(PutRequest.decode(PutRequest.encode({ key: Buffer.from(name), value: Buffer.from('v') })));
      return name;
    });
  const [first, second] = await Promise.allSettled([put('a'), put('b')]);
  assert.equal(first.status, 'rejected');
  assert.match(String(first.reason), /the hook fails/);
  assert.deepEqual(second, { status: 'fulfilled', value: 'b' });
  assert.deepEqual(committed, [2, 3]);
});
