import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, get, openTestConsul, put } from '../../src/consul/test-consul.ts';

test('a transaction of Consul’s API that reads the same tree again and again is refused by the size of its answer', async () => {
  const { machines } = await openTestConsul();
  const { url } = machines[0]!;
  for (const key of ['t/a', 't/b']) assert.equal((await put(`${url}/v1/kv/${key}`, 'x'.repeat(400_000))).body, 'true');
  const trees = (count: number) => Array.from({ length: count }, () => ({ KV: { Verb: 'get-tree', Key: 't/' } }));
  // One limit is that of what is read, the other that of the response.
  for (const [count, bytes] of [
    [64, 33_554_432],
    [24, 16_777_216],
  ] as const) {
    const refused = await put(`${url}/v1/txn`, trees(count));
    assert.equal(refused.status, 413);
    assert.equal(refused.body.split(';')[0], `The response would hold more than ${bytes} bytes`);
  }
  const taken = await put(`${url}/v1/txn`, trees(2));
  assert.deepEqual([taken.status, taken.json.Results.length], [200, 4]);
});

test('a tree that is too large for one response is refused by its size, its keys can be listed, its parts read, and all of it deleted', async () => {
  const { machines } = await openTestConsul();
  const { url } = machines[0]!;
  // Base64 makes 36 MB of them.
  for (let i = 0; i < 54; i++)
    assert.equal((await put(`${url}/v1/kv/big/${i % 2}/${i}`, 'x'.repeat(500_000))).body, 'true');
  const refused = await get(`${url}/v1/kv/big/?recurse`);
  assert.equal(refused.status, 413, refused.body);
  assert.match(refused.body, /^The response would hold more than 33554432 bytes; read fewer keys at a time/);
  assert.equal((await get(`${url}/v1/kv/big/?keys`)).json.length, 54);
  assert.deepEqual((await get(`${url}/v1/kv/big/?keys&separator=/`)).json, ['big/0/', 'big/1/']);
  assert.equal((await get(`${url}/v1/kv/big/1/?recurse`)).json.length, 27);
  assert.equal((await put(`${url}/v1/txn`, [{ KV: { Verb: 'get-tree', Key: 'big/' } }])).status, 413);
  const all = await Promise.all(Array.from({ length: 8 }, () => get(`${url}/v1/kv/big/0/?recurse`)));
  for (const { status, json } of all) assert.deepEqual([status, json.length], [200, 27]);
  const deleted = await call('DELETE', `${url}/v1/kv/big/?recurse`);
  assert.deepEqual([deleted.status, deleted.body], [200, 'true']);
  assert.equal((await get(`${url}/v1/kv/big/?keys`)).status, 404);
});
