/** External nodes, registered in the catalog through any machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildRoutes } from '../router/build-routes.ts';
import { call, get, openTestConsul, put, type TestConsul, until } from './test-consul.ts';

const { machines, add } = await openTestConsul(2);
const [one, two] = machines as [TestConsul, TestConsul];
const register = async (at: TestConsul, body: object) => {
  const got = await put(`${at.url}/v1/catalog/register`, body);
  assert.equal(got.body, 'true');
};
const deregister = async (at: TestConsul, body: object) =>
  assert.equal((await put(`${at.url}/v1/catalog/deregister`, body)).body, 'true');
const DB = { Node: 'Db-1', Address: '10.9.0.1' };
const postgres = { Service: 'postgres', ID: 'pg', Port: 5432, Tags: ['primary'] };
const status = (CheckID: string, Status: string, ServiceID = '') => ({ CheckID, Name: CheckID, Status, ServiceID });
/** Asks the other machine after it has caught up. */
const atTwo = async (path: string) => {
  await two.catalog.sync();
  return (await get(`${two.url}${path}`)).json;
};
const passing = async (service: string) => (await atTwo(`/v1/health/service/${service}?passing`)).length;

test('what is registered on one machine every machine shows', async () => {
  const uuid = '5fc1ac5b-24e4-44a2-8ab3-d0f3e7c5f0aa';
  const NodeMeta = { 'external-node': 'true' };
  const Checks = [status('alive', 'passing'), { ...status('query', 'passing', 'pg'), Output: 'fine', Notes: 'why' }];
  await register(one, { ...DB, ID: uuid, NodeMeta, Service: postgres, Checks });

  const nodes = await atTwo('/v1/catalog/nodes');
  assert.deepEqual(
    nodes.map(({ Node }: { Node: string }) => Node),
    ['Db-1', 'm1', 'm2'],
  );
  const { CreateIndex, ModifyIndex, TaggedAddresses, ...node } = nodes[0];
  assert.ok(CreateIndex > 0 && ModifyIndex >= CreateIndex);
  assert.equal(TaggedAddresses.lan, '10.9.0.1');
  assert.deepEqual(node, { ID: uuid, ...DB, Datacenter: 'dc1', Meta: NodeMeta });
  const [service] = await atTwo('/v1/catalog/service/postgres?node-meta=external-node:true');
  assert.deepEqual(
    [service.Node, service.ServiceID, service.ServiceAddress, service.Address, service.ServicePort],
    ['Db-1', 'pg', '', '10.9.0.1', 5432],
  );
  const [health] = await atTwo('/v1/health/service/postgres?passing');
  const shown = ({ CheckID, ServiceID, ServiceName, Output, Status }: Record<string, string>) =>
    [CheckID, ServiceID, ServiceName, Output, Status].join(' ');
  const checks = ['alive    passing', 'query pg postgres fine passing'];
  assert.deepEqual(health.Checks.map(shown), checks, 'nobody looks after it: no serfHealth');
  assert.deepEqual((await atTwo('/v1/health/node/db-1')).map(shown), checks, 'upper and lower case are the same');
  assert.deepEqual((await atTwo('/v1/health/checks/postgres')).map(shown), [checks[1]]);
  assert.ok((await atTwo('/v1/health/state/passing')).map(shown).includes(checks[0]!));
  assert.deepEqual(Object.keys((await atTwo('/v1/catalog/node/Db-1')).Services), ['pg']);
  assert.deepEqual((await atTwo('/v1/catalog/services')).postgres, ['primary']);
});

test('it is no member of the cluster', async () => {
  assert.equal((await atTwo('/v1/agent/members')).length, 2);
  assert.equal((await atTwo('/v1/status/peers')).length, 2);
});

test("a node's own check counts for each of its services, another's for that alone", async () => {
  await register(two, { ...DB, Service: { Service: 'files', Port: 21 }, Check: status('disk', 'passing', 'files') });
  assert.deepEqual([await passing('postgres'), await passing('files')], [1, 1]);
  await register(one, { ...DB, Check: status('disk', 'warning', 'files') });
  assert.deepEqual([await passing('postgres'), await passing('files')], [1, 0]);
  await register(one, { ...DB, Check: status('disk', 'passing', 'files') });
  await register(one, { ...DB, Check: status('alive', 'critical') });
  assert.deepEqual([await passing('postgres'), await passing('files')], [0, 0]);
  await deregister(two, { Node: DB.Node, CheckID: 'alive' });
  assert.deepEqual([await passing('postgres'), await passing('files')], [1, 1]);
});

test('a check that names another service moves there', async () => {
  await register(one, { ...DB, Check: status('disk', 'critical', 'pg') });
  assert.deepEqual([await passing('postgres'), await passing('files')], [0, 1]);
  await register(one, { ...DB, Check: status('disk', 'passing', 'files') });
  assert.deepEqual([await passing('postgres'), await passing('files')], [1, 1]);
});

test('a blocked query wakes with its own service, and what is said again wakes nobody', async () => {
  const index = async (service: string) => (await get(`${two.url}/v1/health/service/${service}`)).index;
  await two.catalog.sync();
  const [postgresBefore, filesBefore] = [await index('postgres'), await index('files')];
  const everything = async () => (await get(`${two.url}/v1/health/state/any`)).index;
  const before = await everything();
  await register(one, { ...DB, NodeMeta: { 'external-node': 'true' }, Service: postgres, SkipNodeUpdate: true });
  await two.catalog.sync();
  assert.equal(await everything(), before);
  const blocked = get(`${two.url}/v1/health/service/postgres?index=${postgresBefore}&wait=30s`);
  await register(one, { ...DB, SkipNodeUpdate: true, Check: status('query', 'warning', 'pg') });
  assert.ok((await blocked).index > postgresBefore);
  assert.equal(await index('files'), filesBefore);
  await register(one, { ...DB, SkipNodeUpdate: true, Check: status('query', 'passing', 'pg') });
});

test('a query that waits for a node wakes with that node alone', async () => {
  await two.catalog.sync();
  for (const path of ['/v1/catalog/node/Db-1', '/v1/health/node/db-1', '/v1/health/node/m1']) {
    const { index } = await get(`${two.url}${path}`);
    await register(one, { Node: 'apart', Address: '10.9.0.8', Service: { Service: 'apart', Port: 1 } });
    await two.catalog.sync();
    assert.equal((await get(`${two.url}${path}`)).index, index, path);
    await deregister(one, { Node: 'apart' });
  }
  const { index } = await get(`${two.url}/v1/health/node/apart`);
  const blocked = get(`${two.url}/v1/health/node/apart?index=${index}&wait=30s`);
  await register(one, { Node: 'apart', Address: '10.9.0.8', Check: status('alive', 'passing') });
  let found = await blocked;
  // The other machine may see the earlier revision after its previous response.
  while (found.json.length === 0) found = await get(`${two.url}/v1/health/node/apart?index=${found.index}&wait=30s`);
  await deregister(one, { Node: 'apart', CheckID: 'alive' });
  const cleared = await get(`${two.url}/v1/health/node/apart?index=${found.index}&wait=30s`);
  assert.deepEqual([cleared.json, cleared.index > found.index], [[], true]);
  await deregister(one, { Node: 'apart' });
  const gone = await get(`${two.url}/v1/catalog/node/apart?index=${cleared.index}&wait=30s`);
  assert.deepEqual([gone.json, gone.index > cleared.index], [null, true]);
});

test('an existing node takes a new address, unless SkipNodeUpdate says not to', async () => {
  const address = async () => (await atTwo('/v1/catalog/node/Db-1')).Node.Address;
  await register(two, { Node: 'Db-1', Address: '10.9.0.2' });
  assert.equal(await address(), '10.9.0.2');
  await register(two, { Node: 'Db-1', Address: '10.9.0.3', SkipNodeUpdate: true });
  assert.equal(await address(), '10.9.0.2');
  const [service] = await atTwo('/v1/catalog/service/postgres');
  assert.equal(service.Address, '10.9.0.2');
});

test('a service tagged http is routed, until its node is unwell', async () => {
  const Service = { Service: 'shop', Port: 8080, Tags: ['http'] };
  await register(one, { ...DB, Service, Check: status('alive', 'passing') });
  const backends = async () => {
    await two.catalog.sync();
    const route = buildRoutes(two.catalog.snapshot).routes.find(({ host }) => host === 'shop.*');
    return route?.backends.map(({ address, port }) => `${address}:${port}`);
  };
  assert.deepEqual(await backends(), ['10.9.0.1:8080']);
  await register(one, { ...DB, Check: status('alive', 'critical') });
  assert.deepEqual(await backends(), []);
  await deregister(one, { Node: DB.Node, ServiceID: 'shop' });
  assert.equal(await backends(), undefined);
});

test('taken back: a service with its checks, then all of the node', async () => {
  await deregister(two, { Node: 'db-1', ServiceID: 'files' });
  assert.deepEqual(await atTwo('/v1/catalog/service/files'), []);
  assert.ok(!JSON.stringify(await atTwo('/v1/health/node/Db-1')).includes('disk'));
  const { index } = await get(`${two.url}/v1/catalog/service/postgres`);
  await deregister(one, { Node: 'Db-1' });
  assert.equal(await atTwo('/v1/catalog/node/Db-1'), null);
  assert.deepEqual(await atTwo('/v1/health/service/postgres'), []);
  assert.ok((await get(`${two.url}/v1/catalog/service/postgres`)).index > index);
  await register(one, DB);
  assert.deepEqual(await atTwo('/v1/health/node/Db-1'), [], 'nothing of it is left');
  await deregister(one, { Node: 'Db-1' });
  await deregister(one, { Node: 'nobody', CheckID: 'x' });
});

test('many at once lose nothing of one another', async () => {
  const services = Array.from({ length: 24 }, (_, number) => `many-${number}`);
  await Promise.all(
    services.map((Service, number) =>
      register([one, two][number % 2]!, {
        Node: 'many',
        Address: '10.9.0.9',
        Service: { Service, Port: 1 + number },
        Check: status(`check-${number}`, 'passing', Service),
      }),
    ),
  );
  assert.deepEqual(Object.keys((await atTwo('/v1/catalog/node/many')).Services).sort(), services.sort());
  assert.equal((await atTwo('/v1/health/node/many')).length, 24);
  await Promise.all([
    deregister(one, { Node: 'many' }),
    ...services.map((Service) =>
      call('PUT', `${two.url}/v1/catalog/register`, { Node: 'many', SkipNodeUpdate: true, Service: { Service } }),
    ),
  ]);
  const after = await atTwo('/v1/catalog/node/many');
  assert.equal((await atTwo('/v1/catalog/services'))['many-1'] === undefined, !after?.Services['many-1']);
  await deregister(one, { Node: 'many' });
});

test('a session can hang on the checks of an external node', async () => {
  await register(one, { ...DB, Check: status('alive', 'passing') });
  const create = (body: object) => put(`${one.url}/v1/session/create`, { Node: 'Db-1', ...body });
  assert.match((await create({})).body, /Missing check 'serfHealth'/);
  const { ID } = (await create({ Checks: ['alive'] })).json;
  await register(two, { ...DB, Check: status('alive', 'critical') });
  await until(
    () => get(`${one.url}/v1/session/info/${ID}`),
    ({ json }) => json.length === 0,
  );
  assert.match((await create({ Checks: ['alive'] })).body, /critical state/);
  await deregister(one, { Node: 'Db-1' });
});

const REFUSED: readonly (readonly [what: string, body: object, status: number, says: RegExp])[] = [
  ['no node', { Address: '10.0.0.1' }, 400, /Must provide node/],
  ['no address', { Node: 'x' }, 400, /Must provide address/],
  ['an address that is none', { Node: 'x', Address: 'a b' }, 400, /Invalid address/],
  ['a name with a slash', { Node: 'x/y', Address: '10.0.0.1' }, 400, /Invalid node name/],
  [
    'a check of no service',
    { Node: 'x', Address: '1.1.1.1', Check: status('c', 'passing', 'no') },
    400,
    /Unknown serv/,
  ],
  ['a status that is none', { Node: 'x', Address: '1.1.1.1', Check: status('c', 'well') }, 400, /Invalid check status/],
  [
    'a check that somebody would have to run',
    { Node: 'x', Address: '1.1.1.1', Service: { Service: 's', Check: { TCP: 'x:1', Interval: '1s' } } },
    400,
    /Nothing runs checks on a node without fleetd/,
  ],
  [
    'too many checks',
    { Node: 'x', Address: '1.1.1.1', Checks: Array.from({ length: 61 }, (_, n) => status(`c${n}`, 'passing')) },
    500,
    /60 checks at most/,
  ],
  ['too much', { Node: 'x', Address: '1.1.1.1', NodeMeta: { big: 'x'.repeat(70_000) } }, 500, /65536 bytes at most/],
];

for (const [what, body, code, says] of REFUSED) {
  test(`refused: ${what}`, async () => {
    const got = await put(`${one.url}/v1/catalog/register`, body);
    assert.equal(got.status, code, got.body);
    assert.match(got.body, says);
    assert.equal(await atTwo('/v1/catalog/node/x'), null);
  });
}

test("a machine's name is its own: an external node of that name is out of sight while it is there", async () => {
  const Service = { Service: 'old', Port: 1 };
  await register(one, { Node: 'm3', Address: '10.9.0.3', Service });
  assert.equal((await atTwo('/v1/catalog/node/m3')).Node.Address, '10.9.0.3');
  const three = await add();
  assert.equal((await atTwo('/v1/catalog/node/m3')).Node.Address, '127.0.1.3');
  assert.deepEqual(await atTwo('/v1/catalog/service/old'), []);
  const refused = await put(`${one.url}/v1/catalog/register`, { Node: 'm3', Address: '10.9.0.3' });
  assert.match(refused.body, /is another machine/);
  three.machine.stop();
  await three.machine.announcement!.lease.revoke();
  await until(
    () => get(`${two.url}/v1/catalog/service/old`),
    ({ json }) => json.length === 1,
  );
  await deregister(one, { Node: 'm3' });
});
