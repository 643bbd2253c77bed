import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestConsul, put } from '../../src/consul/test-consul.ts';

test('a transaction of Consul’s API that reads the same tree again and again is refused by the size of its answer', async () => {
  const { machines } = await openTestConsul();
  const { url } = machines[0]!;
  for (const key of ['t/a', 't/b']) assert.equal((await put(`${url}/v1/kv/${key}`, 'x'.repeat(400_000))).body, 'true');
  const trees = (count: number) => Array.from({ length: count }, () => ({ KV: { Verb: 'get-tree', Key: 't/' } }));
  const refused = await put(`${url}/v1/txn`, trees(64));
  assert.equal(refused.status, 413);
  assert.match(refused.body, /^The response would hold more than 16777216 bytes; read fewer keys at a time/);
  const taken = await put(`${url}/v1/txn`, trees(2));
  assert.deepEqual([taken.status, taken.json.Results.length], [200, 4]);
});
