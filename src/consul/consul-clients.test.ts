/** Real clients of Consul's API: npm's consul, python3-consul and curl. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import Consul from 'consul';
import { get, openTestConsul, type TestConsul, until } from './test-consul.ts';

const { machines } = await openTestConsul(2);
const [one, two] = machines as [TestConsul, TestConsul];
const run = promisify(execFile);
const clientOf = ({ port }: TestConsul) => new Consul({ host: '127.0.0.1', port });

test('npm consul: agent, catalog and health', async () => {
  const [writer, reader] = [clientOf(one), clientOf(two)];
  await writer.agent.service.register({
    name: 'npm',
    id: 'npm-1',
    port: 80,
    tags: ['t'],
    check: { ttl: '60s' } as never,
  });
  await writer.agent.check.pass({ id: 'service:npm-1', note: 'well' });
  await until(
    () => get(`${two.url}/v1/health/service/npm?passing`),
    ({ json }) => json.length === 1,
  );
  const [health] = (await reader.health.service({ service: 'npm', passing: true })) as { Service: { ID: string } }[];
  assert.equal(health!.Service.ID, 'npm-1');
  assert.deepEqual(((await reader.catalog.service.list()) as Record<string, string[]>)['npm'], ['t']);
  const nodes = (await reader.catalog.node.list()) as { Node: string }[];
  assert.deepEqual(
    nodes.map(({ Node }) => Node),
    ['m1', 'm2'],
  );
  assert.ok('npm-1' in ((await writer.agent.service.list()) as object));
  assert.match(String(await reader.status.leader()), /^127\.0\.1\.1:/);
  await writer.agent.service.deregister('npm-1');
  await until(
    () => get(`${two.url}/v1/health/service/npm`),
    ({ json }) => json.length === 0,
  );
});

test('npm consul: an external node', async () => {
  const [writer, reader] = [clientOf(one), clientOf(two)];
  const service = { service: 'outer', id: 'outer-1', port: 7 };
  const check = { node: 'npm-node', checkid: 'c', name: 'c', status: 'passing', serviceid: 'outer-1' };
  await writer.catalog.register({ node: 'npm-node', address: '10.1.1.1', service, check } as never);
  await two.catalog.sync();
  const [found] = (await reader.health.service({ service: 'outer', passing: true })) as { Node: { Address: string } }[];
  assert.equal(found!.Node.Address, '10.1.1.1');
  const { Services } = (await reader.catalog.node.services('npm-node')) as { Services: object };
  assert.deepEqual(Object.keys(Services), ['outer-1']);
  await reader.catalog.deregister({ node: 'npm-node' } as never);
  await one.catalog.sync();
  assert.deepEqual(await writer.catalog.service.nodes('outer'), []);
});

test('npm consul: pairs, sessions and locks', async () => {
  const [mine, theirs] = [clientOf(one), clientOf(two)];
  await mine.kv.set('npm/key', 'välue');
  assert.equal(((await theirs.kv.get('npm/key')) as { Value: string }).Value, 'välue');
  assert.deepEqual(await theirs.kv.keys('npm/'), ['npm/key']);
  const sessionOf = async (client: Consul) =>
    ((await client.session.create({ ttl: '15s', lockdelay: '0s' })) as { ID: string }).ID;
  const [first, second] = [await sessionOf(mine), await sessionOf(theirs)];
  assert.equal(await mine.kv.set({ key: 'npm/lock', value: '1', acquire: first }), true);
  assert.ok(!(await theirs.kv.set({ key: 'npm/lock', value: '2', acquire: second })));
  await mine.session.renew(first);
  await mine.session.destroy(first);
  assert.equal(await theirs.kv.set({ key: 'npm/lock', value: '2', acquire: second }), true);
  const set = { KV: { Verb: 'set', Key: 'npm/txn', Value: 'eA==' } };
  const { Results } = (await mine.transaction.create([set, { KV: { Verb: 'get', Key: 'npm/txn' } }] as never)) as {
    Results: { KV: { Value: string | null } }[];
  };
  assert.deepEqual(
    Results.map(({ KV }) => KV.Value),
    [null, 'eA=='],
  );
  await theirs.kv.del({ key: 'npm/', recurse: true });
  assert.equal(await mine.kv.get('npm/key'), undefined);
});

test('npm consul: a watch sees each change once', async () => {
  const client = clientOf(two);
  await clientOf(one).kv.set('watched', '0');
  const watch = client.watch({ method: client.kv.get, options: { key: 'watched' } as never });
  const seen: string[] = [];
  watch.on('change', (data: { Value: string }) => seen.push(data.Value));
  for (const value of ['1', '2', '3']) {
    await Promise.all([once(watch, 'change'), clientOf(one).kv.set('watched', value)]);
    while (seen.at(-1) !== value) await once(watch, 'change');
  }
  watch.end();
  assert.deepEqual(seen.slice(-3), ['1', '2', '3']);
});

const PYTHON = '/usr/bin/python3';
const noPython = existsSync('/usr/lib/python3/dist-packages/consul')
  ? false
  : 'the module consul is not there: apt-get install python3-consul';

const SCRIPT = `
import sys, consul
a, b = (consul.Consul(port=int(p)) for p in sys.argv[1:])
assert a.agent.service.register('py', service_id='py-1', port=81, tags=['x'], check=consul.Check.ttl('60s'))
assert a.agent.check.ttl_pass('service:py-1')
index = None
while True:
    index, nodes = b.health.service('py', passing=True, index=index, wait='10s')
    if nodes: break
assert nodes[0]['Service']['Port'] == 81 and nodes[0]['Node']['Node'] == 'm1'
assert b.catalog.services()[1]['py'] == ['x']
assert a.kv.put('py/k', b'\\x00\\xff', flags=2**64 - 1)
i, pair = b.kv.get('py/k')
assert pair['Value'] == b'\\x00\\xff' and pair['Flags'] == 2**64 - 1, pair
assert not a.kv.put('py/k', 'x', cas=pair['ModifyIndex'] + 1)
assert a.kv.put('py/k', 'x', cas=pair['ModifyIndex'])
assert b.kv.get('py/', keys=True)[1] == ['py/k']
assert b.kv.get('py/missing')[1] is None
s = a.session.create(name='py', ttl=10, lock_delay=0, behavior='delete')
assert a.kv.put('py/lock', 'me', acquire=s)
assert b.session.info(s)[1]['Name'] == 'py'
assert a.session.renew(s)['ID'] == s
assert b.session.destroy(s)
assert a.kv.get('py/lock')[1] is None
assert b.kv.delete('py/', recurse=True)
assert a.agent.service.deregister('py-1')
assert a.catalog.register('py-node', '10.1.1.2', service={'Service': 'pyouter', 'ID': 'o', 'Port': 8},
    check={'Node': 'py-node', 'CheckID': 'c', 'Name': 'c', 'Status': 'passing', 'ServiceID': 'o'})
while not b.health.service('pyouter', passing=True)[1]: pass
assert [n['Address'] for n in b.catalog.nodes()[1] if n['Node'] == 'py-node'] == ['10.1.1.2']
assert a.catalog.deregister('py-node', check_id='c') and a.health.checks('pyouter')[1] == []
assert a.catalog.deregister('py-node')
assert a.catalog.service('pyouter')[1] == [] and a.catalog.node('py-node')[1] is None
assert a.agent.maintenance(True, 'why')
assert '_node_maintenance' in a.agent.checks()
assert a.agent.maintenance(False)
print('done')
`;

test('python3-consul: the same, with values of bytes and flags of 64 bits', { skip: noPython }, async () => {
  const { stdout } = await run(PYTHON, ['-c', SCRIPT, String(one.port), String(two.port)], { timeout: 60_000 });
  assert.equal(stdout.trim(), 'done');
});

const noCurl = existsSync('/usr/bin/curl') ? false : 'curl is not there: apt-get install curl';

test('curl: what people type', { skip: noCurl }, async () => {
  const curl = async (...args: string[]) => (await run('curl', ['-sS', ...args])).stdout;
  assert.equal(await curl('-X', 'PUT', '-d', 'hello', `${one.url}/v1/kv/a%20b/c`), 'true');
  assert.equal(await curl(`${two.url}/v1/kv/a%20b/c?raw`), 'hello');
  const tooMuch = `head -c 600000 /dev/zero | curl -s -o /dev/null -w '%{http_code}' -X PUT --data-binary @-`;
  assert.equal((await run('sh', ['-c', `${tooMuch} ${one.url}/v1/kv/big`])).stdout, '413');
});
