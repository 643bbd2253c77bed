import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock as clock } from '../lib/index.ts';
import { call, type Got, get, openTestConsul, put, type TestConsul, until } from './test-consul.ts';

const { machines, add } = await openTestConsul(2);
const [one, two] = machines as [TestConsul, TestConsul];
const kv = (path: string) => `${one.url}/v1/kv/${path}`;
const shown = ({ status, body }: Got) => [status, body] as const;

test('a pair is written, read in all ways, and deleted', async () => {
  assert.deepEqual(shown(await put(kv('a/b?flags=18446744073709551615'), 'hello')), [200, 'true']);
  const got = await get(`${two.url}/v1/kv/a/b`);
  assert.match(got.body, /^\[\{"LockIndex":0,"Key":"a\/b","Flags":18446744073709551615,"Value":"aGVsbG8=",/);
  assert.equal(got.headers['content-type'], 'application/json');
  assert.ok(got.index >= got.json[0].ModifyIndex);
  assert.equal((await get(kv('a/b?raw'))).body, 'hello');
  await put(kv('a/'), '');
  await put(kv('a/c/d'), 'x');
  assert.equal((await get(kv('a/?recurse'))).json.length, 3);
  assert.equal((await get(kv('a/'))).json[0].Value, null);
  assert.deepEqual((await get(kv('?keys'))).json, ['a/', 'a/b', 'a/c/d']);
  assert.deepEqual((await get(kv('a/?keys&separator=/'))).json, ['a/', 'a/b', 'a/c/']);
  assert.deepEqual(shown(await call('DELETE', kv('a/?recurse'))), [200, 'true']);
  const missing = await get(kv('a/b'));
  assert.deepEqual(shown(missing), [404, '']);
  assert.ok(missing.index > 0);
  assert.deepEqual(shown(await get(kv('a/?keys'))), [404, '']);
  assert.deepEqual(shown(await get(kv('?keys'))), [200, '[]']);
});

test('cas: 0 creates, an index replaces what has it, anything else is refused', async () => {
  assert.equal((await put(kv('cas?cas=0'), '1')).body, 'true');
  assert.equal((await put(kv('cas?cas=0'), '2')).body, 'false');
  const { ModifyIndex } = (await get(kv('cas'))).json[0];
  assert.equal((await put(kv(`cas?cas=${ModifyIndex + 1}`), '2')).body, 'false');
  assert.equal((await put(kv(`cas?cas=${ModifyIndex}`), '2')).body, 'true');
  assert.equal((await call('DELETE', kv(`cas?cas=${ModifyIndex}`))).body, 'false');
  const { ModifyIndex: now } = (await get(kv('cas'))).json[0];
  assert.equal((await call('DELETE', kv(`cas?cas=${now}`))).body, 'true');
});

const REFUSED: readonly (readonly [method: string, path: string, status: number, says: RegExp])[] = [
  ['PUT', '/v1/kv/', 400, /Missing key name/],
  ['GET', '/v1/kv/', 400, /Missing key name/],
  ['PUT', '/v1/kv/k?cas=x', 500, /invalid syntax/],
  ['PUT', '/v1/kv/k?flags=-1', 500, /invalid syntax/],
  ['PUT', '/v1/kv/k?cas=0&acquire=s', 400, /Conflicting flags/],
  ['PUT', '/v1/kv/k?acquire=00000000-0000-0000-0000-000000000000', 500, /invalid session/],
  ['PUT', '/v1/kv/k?acquire=', 500, /missing session/],
  ['PUT', '/v1/kv/k?acquire=../x', 500, /invalid session/],
  ['PUT', '/v1/session/renew/00000000-0000-0000-0000-000000000000', 404, /not found/],
  ['HEAD', '/v1/kv/k', 405, /^/],
];

for (const [method, path, status, says] of REFUSED) {
  test(`refused: ${method} ${path}`, async () => {
    const got = await call(method, `${one.url}${path}`, method === 'PUT' ? 'x' : '');
    assert.equal(got.status, status);
    assert.match(got.body, method === 'HEAD' ? /^$/ : says);
  });
}

test('values up to 512 KB', async () => {
  const most = Buffer.alloc(512 * 1024, 7);
  assert.equal((await put(kv('most'), most)).body, 'true');
  assert.equal(Buffer.byteLength((await get(kv('most?raw'))).body), most.length);
  assert.equal((await put(kv('more'), Buffer.alloc(512 * 1024 + 1))).status, 413);
  assert.equal((await get(kv('more'))).status, 404);
});

test('transactions: as a whole or not at all', async () => {
  const value = Buffer.from('v').toString('base64');
  const txn = (operations: object[]) =>
    put(
      `${one.url}/v1/txn`,
      operations.map((KV) => ({ KV })),
    );
  const done = await txn([
    { Verb: 'set', Key: 't/1', Value: value, Flags: 7 },
    { Verb: 'get-tree', Key: 't/' },
  ]);
  assert.equal(done.status, 200);
  const [written, read] = done.json.Results;
  assert.deepEqual([written.KV.Value, read.KV.Value, read.KV.Flags, done.json.Errors], [null, value, 7, null]);
  const refused = await txn([
    { Verb: 'set', Key: 't/2', Value: value },
    { Verb: 'cas', Key: 't/1', Value: value, Index: 1 },
  ]);
  assert.equal(refused.status, 409);
  assert.deepEqual(refused.json, {
    Results: null,
    Errors: [{ OpIndex: 1, What: 'failed to set key "t/1", index is stale' }],
  });
  assert.equal((await get(kv('t/2'))).status, 404);
  assert.equal((await txn(Array.from({ length: 65 }, () => ({ Verb: 'get', Key: 't/1' })))).status, 413);
  assert.equal((await txn([{ Verb: 'explode', Key: 't/1' }])).status, 400);
  const unnamed = await txn([{ Verb: 'set', Value: value }]);
  assert.deepEqual([unnamed.status, unnamed.json.Errors], [409, [{ OpIndex: 0, What: 'Must provide key' }]]);
  const garbled = await txn([{ Verb: 'set', Key: 't/3', Value: 'plain text' }]);
  assert.deepEqual([garbled.status, garbled.body.includes('is not base64')], [400, true]);
  assert.equal((await put(`${one.url}/v1/txn`, [{ Node: {} }])).status, 400);
});

const create = async (machine: TestConsul, session: object): Promise<string> =>
  (await put(`${machine.url}/v1/session/create`, session)).json.ID;

test('a session: its shape, on every machine', async () => {
  const id = await create(one, { Name: 's', TTL: '20s', LockDelay: '3s', Behavior: 'delete' });
  const {
    json: [session],
  } = await get(`${two.url}/v1/session/info/${id}`);
  const { CreateIndex, ModifyIndex, ...rest } = session;
  assert.ok(CreateIndex > 0 && ModifyIndex === CreateIndex);
  assert.deepEqual(rest, {
    ID: id,
    Name: 's',
    Node: 'm1',
    Checks: ['serfHealth'],
    NodeChecks: ['serfHealth'],
    ServiceChecks: null,
    LockDelay: 3_000_000_000,
    Behavior: 'delete',
    TTL: '20s',
  });
  assert.equal((await get(`${two.url}/v1/session/node/m1`)).json.length, 1);
  assert.deepEqual((await get(`${two.url}/v1/session/node/m2`)).json, []);
  assert.equal((await put(`${two.url}/v1/session/renew/${id}`)).json[0].ID, id);
  assert.equal((await put(`${two.url}/v1/session/destroy/${id}`)).body, 'true');
  assert.deepEqual((await get(`${one.url}/v1/session/info/${id}`)).json, []);
  for (const wrong of [{ TTL: '5s' }, { TTL: 'soon' }, { LockDelay: 'x' }, { Nmae: 'x' }])
    assert.equal((await put(`${one.url}/v1/session/create`, wrong)).status, 400, JSON.stringify(wrong));
  for (const wrong of [{ Node: 'nobody' }, { Behavior: 'x' }, { Checks: ['none'] }])
    assert.equal((await put(`${one.url}/v1/session/create`, wrong)).status, 500, JSON.stringify(wrong));
});

test('a lock is given up when a check of its session is critical', async () => {
  await put(`${one.url}/v1/agent/service/register`, {
    Name: 'locker',
    Port: 1,
    Check: { TTL: '600s', Status: 'passing' },
  });
  await until(
    () => get(`${two.url}/v1/health/service/locker?passing`),
    ({ json }) => json.length === 1,
  );
  const id = await create(one, { Checks: ['serfHealth', 'service:locker'], LockDelay: '0s' });
  assert.equal((await put(kv(`checked?acquire=${id}`), 'me')).body, 'true');
  const { index } = await get(`${two.url}/v1/kv/checked`);
  const released = get(`${two.url}/v1/kv/checked?index=${index}&wait=30s`);
  await put(`${one.url}/v1/agent/check/fail/service:locker`);
  const { json } = await released;
  assert.equal(json[0].Session, undefined);
  assert.equal(json[0].LockIndex, 1);
});

test('a lock is given up when the machine of its session is lost', async () => {
  const lost = await add();
  await until(
    () => get(`${one.url}/v1/catalog/nodes`),
    ({ json }) => json.length === 3,
  );
  const id = await create(lost, { LockDelay: '1s', Behavior: 'delete' });
  assert.equal((await put(`${lost.url}/v1/kv/lost?acquire=${id}`, 'me')).body, 'true');
  const { index } = await get(kv('lost'));
  const gone = get(kv(`lost?index=${index}&wait=30s`));
  await lost.machine.announcement!.lease.revoke();
  assert.equal((await gone).status, 404);
  const next = await create(one, {});
  assert.equal((await put(kv(`lost?acquire=${next}`), 'next')).body, 'false', 'the lock delay');
  await until(
    () => put(kv(`lost?acquire=${next}`), 'next'),
    ({ body }) => body === 'true',
  );
});

test('a blocked query for a key that is not there wakes when it comes, and when it goes', async () => {
  const { index } = await get(kv('later'));
  const coming = get(`${two.url}/v1/kv/later?index=${index}&wait=30s`);
  const other = get(`${two.url}/v1/kv/late?index=${index}&wait=500ms`);
  await put(kv('later'), 'x');
  const came = await coming;
  assert.equal(came.status, 200);
  const startedAt = clock.monotonic();
  assert.equal((await other).status, 404);
  const going = get(kv(`later?index=${(await get(kv('later'))).index}&wait=30s`));
  await call('DELETE', kv('later'));
  assert.equal((await going).status, 404);
  assert.ok(clock.monotonic() - startedAt < 20_000);
});
