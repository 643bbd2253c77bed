import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { systemClock as clock } from '../lib/index.ts';
import { call, get, openTestConsul, put, type TestConsul, until } from './test-consul.ts';

const { machines, add } = await openTestConsul(2);
const [one, two] = machines as [TestConsul, TestConsul];

const web = (id: string, over: object = {}) => ({
  ID: id,
  Name: 'web',
  Port: 8080,
  Tags: ['http', 'blue'],
  Meta: { v: '1' },
  ...over,
});

test('what one machine registers every machine shows, in the same order in catalog and health', async () => {
  for (const id of ['web-2', 'web-1']) await put(`${one.url}/v1/agent/service/register`, web(id));
  await put(`${two.url}/v1/agent/service/register`, web('web-0', { Tags: ['green'], Address: '10.9.9.9' }));
  const answers = [];
  for (const { url } of [one, two]) {
    const catalog = await until(
      () => get(`${url}/v1/catalog/service/web`),
      ({ json }) => json.length === 3,
    );
    const health = await until(
      () => get(`${url}/v1/health/service/web`),
      ({ json }) => json.length === 3,
    );
    assert.deepEqual(
      catalog.json.map((entry: { ServiceID: string }) => entry.ServiceID),
      ['web-1', 'web-2', 'web-0'],
    );
    assert.deepEqual(
      health.json.map((entry: { Service: { ID: string } }) => entry.Service.ID),
      ['web-1', 'web-2', 'web-0'],
    );
    answers.push(catalog.body + health.body);
  }
  assert.equal(answers[0], answers[1]);
});

test("the shapes are Consul's", async () => {
  const {
    json: [entry],
    headers,
  } = await get(`${one.url}/v1/catalog/service/web?tag=GREEN`);
  assert.equal(entry.ID, 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaa2');
  const { CreateIndex, ModifyIndex, TaggedAddresses, ID, ...rest } = entry;
  assert.ok(CreateIndex > 0 && ModifyIndex >= CreateIndex);
  assert.equal(TaggedAddresses.lan, '127.0.1.2');
  assert.deepEqual(rest, {
    Node: 'm2',
    Address: '127.0.1.2',
    Datacenter: 'dc1',
    NodeMeta: {},
    ServiceKind: '',
    ServiceID: 'web-0',
    ServiceName: 'web',
    ServiceTags: ['green'],
    ServiceAddress: '10.9.9.9',
    ServiceWeights: { Passing: 1, Warning: 1 },
    ServiceMeta: { v: '1' },
    ServicePort: 8080,
    ServiceEnableTagOverride: false,
  });
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['x-consul-knownleader'], 'true');
  assert.equal(headers['x-consul-lastcontact'], '0');
  assert.ok(Number(headers['x-consul-index']) > 1);
  const {
    json: [health],
  } = await get(`${one.url}/v1/health/service/web?tag=http&tag=blue`);
  assert.deepEqual(Object.keys(health), ['Node', 'Service', 'Checks']);
  assert.equal(health.Checks[0].CheckID, 'serfHealth');
  assert.equal(health.Checks[0].Name, 'Serf Health Status');
  assert.deepEqual((await get(`${one.url}/v1/health/service/web?tag=http&tag=green`)).json, []);
});

test('names of services, nodes and datacenters', async () => {
  const services = (await get(`${two.url}/v1/catalog/services`)).json;
  assert.deepEqual(services.web, ['blue', 'green', 'http']);
  const nodes = (await get(`${two.url}/v1/catalog/nodes`)).json;
  assert.deepEqual(
    nodes.map(({ Node }: { Node: string }) => Node),
    ['m1', 'm2'],
  );
  assert.deepEqual((await get(`${one.url}/v1/catalog/datacenters`)).json, ['dc1']);
  const node = (await get(`${one.url}/v1/catalog/node/m1`)).json;
  assert.deepEqual(Object.keys(node.Services).sort(), ['web-1', 'web-2']);
  assert.equal((await get(`${one.url}/v1/catalog/node/nobody`)).body, 'null');
  assert.equal((await get(`${one.url}/v1/status/leader`)).json, '127.0.1.1:8300');
  assert.deepEqual((await get(`${one.url}/v1/status/peers`)).json, ['127.0.1.1:8300', '127.0.1.2:8300']);
  assert.equal((await get(`${one.url}/v1/agent/self`)).json.Config.NodeID, nodes[0].ID);
});

test('a request that is sent as if to a proxy is answered', async () => {
  const { hostname, port } = new URL(one.url);
  const path = `${one.url}/v1/catalog/datacenters?pretty`;
  const sent = request({ hostname, port, path, agent: false }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal(answer.resume().statusCode, 200);
});

test('checks: reported ones change what passes, on every machine', async () => {
  await put(`${one.url}/v1/agent/service/register`, { Name: 'checked', Port: 1, Check: { TTL: '60s' } });
  const passing = () => get(`${two.url}/v1/health/service/checked?passing`);
  await until(
    () => get(`${two.url}/v1/health/service/checked`),
    ({ json }) => json.length === 1,
  );
  assert.deepEqual((await passing()).json, [], 'critical until reported');
  assert.equal((await get(`${one.url}/v1/agent/health/service/id/checked`)).status, 503);
  assert.equal((await put(`${one.url}/v1/agent/check/pass/service:checked?note=fine`)).status, 200);
  const { json } = await until(passing, (got) => got.json.length === 1);
  assert.equal(json[0].Checks[1].Output, 'fine');
  await put(`${one.url}/v1/agent/check/warn/service:checked`);
  await until(passing, (got) => got.json.length === 0);
  const text = await get(`${one.url}/v1/agent/health/service/name/checked?format=text`);
  assert.deepEqual([text.status, text.body], [429, 'warning']);
  await put(`${one.url}/v1/agent/check/update/service:checked`, { Status: 'passing', Output: 'x' });
  await until(
    () => get(`${two.url}/v1/health/state/passing`),
    ({ body }) => body.includes('service:checked'),
  );
  assert.equal((await get(`${two.url}/v1/health/checks/checked`)).json.length, 1);
  await put(`${one.url}/v1/agent/service/maintenance/checked?enable=true&reason=later`);
  const critical = await until(
    () => get(`${two.url}/v1/health/state/critical`),
    ({ json: list }) => list.length > 0,
  );
  assert.equal(critical.json[0].Notes, 'later');
  await put(`${one.url}/v1/agent/service/maintenance/checked?enable=false`);
  await until(passing, (got) => got.json.length === 1);
});

const REFUSED: readonly (readonly [
  what: string,
  method: string,
  path: string,
  body: object | string,
  status: number,
  says: RegExp,
])[] = [
  ['HEAD', 'HEAD', '/v1/catalog/services', '', 405, /^/],
  ['POST', 'POST', '/v1/agent/service/register', { Name: 'x' }, 405, /not allowed/],
  ['an unknown path', 'GET', '/v1/nothing', '', 404, /^/],
  ['a registration without a name', 'PUT', '/v1/agent/service/register', { ID: 'x' }, 400, /Missing service name/],
  ['an unknown field', 'PUT', '/v1/agent/service/register', { Name: 'x', Prot: 1 }, 400, /invalid keys: Prot/],
  [
    'a check without a kind',
    'PUT',
    '/v1/agent/service/register',
    { Name: 'x', Check: { Interval: '1s' } },
    400,
    /Invalid check/,
  ],
  [
    'a check without an interval',
    'PUT',
    '/v1/agent/service/register',
    { Name: 'x', Check: { TCP: 'a:1' } },
    400,
    /Interval must be/,
  ],
  ['a broken body', 'PUT', '/v1/agent/service/register', '{', 400, /Request decode failed/],
  ['an unknown check', 'PUT', '/v1/agent/check/pass/none', '', 500, /does not have associated TTL/],
  ['an unknown service', 'PUT', '/v1/agent/service/deregister/none', '', 404, /Unknown service ID/],
  ['an invalid wait', 'GET', '/v1/catalog/services?index=1&wait=soon', '', 400, /Invalid wait time/],
  ['an invalid index', 'GET', '/v1/catalog/services?index=x', '', 400, /Invalid index/],
  ['another datacenter', 'GET', '/v1/catalog/services?dc=dc2', '', 500, /No path to datacenter/],
  ['a pair for another datacenter', 'PUT', '/v1/kv/elsewhere?dc=dc2', 'x', 500, /No path to datacenter/],
  ['a session in another datacenter', 'PUT', '/v1/session/create?dc=dc2', '', 500, /No path to datacenter/],
  [
    'a node of another datacenter',
    'PUT',
    '/v1/catalog/register',
    { Node: 'm1', Datacenter: 'dc2', Service: { Service: 'elsewhere' } },
    500,
    /No path to datacenter/,
  ],
  ['no name where one belongs', 'GET', '/v1/health/service/?passing', '', 400, /Missing service name/],
  ['a name of two lines', 'PUT', '/v1/agent/service/register', { Name: 'a\nb' }, 400, /no control characters/],
  ['a tag for terminals', 'PUT', '/v1/agent/service/register', { Name: 'x', Tags: ['\x1b[2J'] }, 400, /no control/],
  ['a filter', 'GET', '/v1/health/service/web?filter=Node.Node==m1', '', 400, /filter is not supported here/],
  [
    'a weight of 0',
    'PUT',
    '/v1/agent/service/register',
    { Name: 'x', Weights: { Passing: 0 } },
    400,
    /from 1 to 65535/,
  ],
  ['a weight below 0', 'PUT', '/v1/agent/service/register', { Name: 'x', Weights: { Warning: -1 } }, 400, /from 0 to/],
  ['a great weight', 'PUT', '/v1/agent/service/register', { Name: 'x', Weights: { Passing: 65536 } }, 400, /to 65535/],
  ['half a maintenance', 'PUT', '/v1/agent/maintenance?enable=maybe', '', 400, /neither true nor false/],
  ['the end of an unknown check', 'PUT', '/v1/agent/check/deregister/none', '', 500, /Unknown check "none"/],
  ["another machine's node", 'PUT', '/v1/catalog/register', { Node: 'm2', Address: '1.1.1.1' }, 400, /another machine/],
  ['a badly encoded path', 'GET', '/v1/kv/%zz', '', 400, /not well encoded/],
];

for (const [what, method, path, body, status, says] of REFUSED) {
  test(`refused: ${what}`, async () => {
    const got = await call(method, `${one.url}${path}`, body);
    assert.equal(got.status, status, got.body);
    assert.match(got.body, says);
    assert.match(String(got.headers['content-type']), /^text\/plain/);
  });
}

test('an unknown service is an empty list with index 1', async () => {
  const got = await get(`${one.url}/v1/health/service/nothing`);
  assert.deepEqual([got.status, got.json, got.index], [200, [], 1]);
});

test('a blocked query wakes with the change, and not with that of another service', async () => {
  await put(`${one.url}/v1/agent/service/register`, { Name: 'awaited', Port: 1 });
  const { index } = await until(
    () => get(`${two.url}/v1/health/service/awaited`),
    ({ json }) => json.length === 1,
  );
  let woken = false;
  const blocked = get(`${two.url}/v1/health/service/awaited?index=${index}&wait=30s`).finally(() => {
    woken = true;
  });
  await put(`${one.url}/v1/agent/service/register`, { Name: 'other', Port: 1 });
  await until(
    () => get(`${two.url}/v1/health/service/other`),
    ({ json }) => json.length === 1,
  );
  assert.equal(woken, false);
  await put(`${one.url}/v1/agent/service/register`, { Name: 'awaited', ID: 'second', Port: 2 });
  const after = await blocked;
  assert.equal(after.json.length, 2);
  assert.ok(after.index > index);
});

test('a blocked query ends after its wait, with the same index', async () => {
  const { index } = await get(`${one.url}/v1/catalog/services`);
  const startedAt = clock.monotonic();
  const got = await get(`${one.url}/v1/catalog/services?index=${index}&wait=300ms`);
  assert.equal(got.index, index);
  assert.ok(clock.monotonic() - startedAt >= 290);
});

test('an index from the future is answered at once: the store has been reset', async () => {
  const { index } = await get(`${one.url}/v1/catalog/services?index=99999999&wait=60s`);
  assert.ok(index < 99999999);
});

test('the list of services is not new because a check has changed its mind', async () => {
  const { index } = await get(`${two.url}/v1/catalog/services`);
  await put(`${one.url}/v1/agent/check/fail/service:checked?note=${index}`);
  await until(
    () => get(`${two.url}/v1/health/service/checked?passing`),
    ({ json }) => json.length === 0,
  );
  assert.equal((await get(`${two.url}/v1/catalog/services`)).index, index);
});

test('the catalog takes services of this machine, with the statuses their writer says', async () => {
  const Service = { Service: 'written', ID: 'written-1', Port: 7 };
  const Check = { CheckID: 'c', Name: 'c', Status: 'passing', ServiceID: 'written-1' };
  assert.equal(
    (await put(`${one.url}/v1/catalog/register`, { Node: 'm1', Address: '127.0.1.1', Service, Check })).body,
    'true',
  );
  await until(
    () => get(`${two.url}/v1/health/service/written?passing`),
    ({ json }) => json.length === 1,
  );
  await put(`${one.url}/v1/catalog/register`, {
    Node: 'm1',
    Address: '127.0.1.1',
    Service,
    Check: { ...Check, Status: 'critical' },
  });
  await until(
    () => get(`${two.url}/v1/health/service/written?passing`),
    ({ json }) => json.length === 0,
  );
  await put(`${one.url}/v1/catalog/deregister`, { Node: 'm1', ServiceID: 'written-1' });
  await until(
    () => get(`${two.url}/v1/catalog/service/written`),
    ({ json }) => json.length === 0,
  );
});

test('?pretty is the same JSON, for people', async () => {
  const plain = await get(`${one.url}/v1/catalog/service/web`);
  const pretty = await get(`${one.url}/v1/catalog/service/web?pretty`);
  assert.deepEqual(pretty.json, plain.json);
  assert.ok(pretty.body.includes('\n    '));
});

test('an API that is closed answers who waits, and lets go of them', async () => {
  const three = await add();
  const { index } = await get(`${three.url}/v1/catalog/services`);
  const blocked = get(`${three.url}/v1/catalog/services?index=${index}&wait=60s`);
  await clock.sleep(50);
  const startedAt = clock.monotonic();
  await three.close();
  const ended = await blocked.catch((error) => error);
  assert.ok(ended.status === 200 || ended.code === 'ECONNRESET', String(ended));
  assert.ok(clock.monotonic() - startedAt < 10_000);
  await assert.rejects(get(`${three.url}/v1/catalog/services`), /ECONNREFUSED/);
});

test('a list is in the same order on every machine, whenever it got to know what is in it', async () => {
  for (const name of ['b-late', 'a-later']) await put(`${two.url}/v1/agent/service/register`, { Name: name, Port: 1 });
  await put(`${two.url}/v1/agent/check/register`, { Name: 'disk', TTL: '1h', Status: 'passing' });
  await put(`${one.url}/v1/agent/check/register`, { Name: 'load', TTL: '1h', Status: 'passing' });
  const late = await add();
  for (const path of ['health/state/any', 'health/node/m2', 'catalog/node/m2', 'agent/members', 'status/peers']) {
    const { body } = await get(`${late.url}/v1/${path}`);
    for (const { url } of [one, two])
      await until(
        () => get(`${url}/v1/${path}`),
        (got) => got.body === body,
      );
  }
});
