/** Checks and maintenance of a whole machine. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { get, openTestConsul, put, type TestConsul, until } from './test-consul.ts';

const { machines, add } = await openTestConsul(2);
const [one, two] = machines as [TestConsul, TestConsul];
await put(`${one.url}/v1/agent/service/register`, { Name: 'web', ID: 'web-1', Port: 1 });
await put(`${two.url}/v1/agent/service/register`, { Name: 'web', ID: 'web-2', Port: 2 });
const passing = (wanted: string) =>
  until(
    () => get(`${two.url}/v1/health/service/web?passing`),
    ({ json }) => json.map(({ Service }: { Service: { ID: string } }) => Service.ID).join() === wanted,
  );
const nodeChecks = async () =>
  (await get(`${two.url}/v1/health/node/m1`)).json
    .filter(({ ServiceID }: { ServiceID: string }) => ServiceID === '')
    .map(({ CheckID, Status, Notes }: Record<string, string>) => `${CheckID} ${Status} ${Notes}`.trim());

test('a check without a service counts for every service of its machine, everywhere', async () => {
  await passing('web-1,web-2');
  const check = { Name: 'disk', TTL: '60s', Status: 'passing', Notes: 'room' };
  assert.equal((await put(`${one.url}/v1/agent/check/register`, check)).status, 200);
  await put(`${one.url}/v1/agent/check/fail/disk?note=full`);
  await passing('web-2');
  assert.deepEqual(await nodeChecks(), ['serfHealth passing', 'disk critical room']);
  const { disk } = (await get(`${one.url}/v1/agent/checks`)).json;
  assert.deepEqual([disk.Node, disk.Status, disk.Output, disk.ServiceID], ['m1', 'critical', 'full', '']);
  assert.equal((await get(`${one.url}/v1/agent/health/service/id/web-1`)).status, 503);
  assert.equal((await get(`${one.url}/v1/agent/health/service/name/web?format=text`)).body, 'critical');
  const [unwell] = (await get(`${two.url}/v1/health/state/critical`)).json;
  assert.deepEqual([unwell.Node, unwell.CheckID], ['m1', 'disk']);
  assert.deepEqual((await get(`${two.url}/v1/health/checks/web`)).json, []);
  await put(`${one.url}/v1/agent/check/pass/disk`);
  await passing('web-1,web-2');
  assert.equal((await put(`${one.url}/v1/agent/check/deregister/disk`)).status, 200);
  await until(
    () => get(`${two.url}/v1/health/node/m1`),
    ({ body }) => !body.includes('disk'),
  );
});

test('a check that the machine runs itself', async () => {
  let status = 200;
  const server = createServer((_, response) => response.writeHead(status).end('said'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await put(`${one.url}/v1/agent/check/register`, { ID: 'probe', Name: 'Probe', HTTP: url, Interval: '50ms' });
  await until(
    () => get(`${two.url}/v1/health/node/m1`),
    ({ body }) => body.includes('HTTP GET'),
  );
  await passing('web-1,web-2');
  status = 500;
  await passing('web-2');
  server.close();
  await put(`${one.url}/v1/agent/check/deregister/probe`);
  await passing('web-1,web-2');
});

test('programs are run where script_checks says so alone', async () => {
  const got = await put(`${one.url}/v1/agent/check/register`, { Name: 'x', Args: ['/bin/true'], Interval: '1s' });
  assert.match(got.body, /script_checks/);
});

test('the catalog takes checks of this machine, with the status the caller says', async () => {
  const write = (Status: string) =>
    put(`${one.url}/v1/catalog/register`, { Node: 'm1', Address: '127.0.1.1', Check: { CheckID: 'said', Status } });
  assert.equal((await write('critical')).body, 'true');
  await passing('web-2');
  await write('passing');
  await passing('web-1,web-2');
  await put(`${one.url}/v1/catalog/deregister`, { Node: 'm1', CheckID: 'said' });
  await until(
    () => get(`${two.url}/v1/health/node/m1`),
    ({ body }) => !body.includes('said'),
  );
});

test('a machine in maintenance serves nothing', async () => {
  assert.equal((await put(`${one.url}/v1/agent/maintenance`)).status, 400);
  assert.equal((await put(`${one.url}/v1/agent/maintenance?enable=true&reason=new+disks`)).status, 200);
  await passing('web-2');
  assert.deepEqual(await nodeChecks(), ['serfHealth passing', '_node_maintenance critical new disks']);
  await put(`${one.url}/v1/agent/maintenance?enable=false`);
  await passing('web-1,web-2');
  assert.deepEqual(await nodeChecks(), ['serfHealth passing']);
});

test('a blocked query wakes with the checks of its machines, and with no others', async () => {
  await put(`${two.url}/v1/agent/service/register`, { Name: 'apart', Port: 3 });
  const { index: apart } = await until(
    () => get(`${two.url}/v1/health/service/apart`),
    ({ json }) => json.length === 1,
  );
  const { index } = await get(`${two.url}/v1/health/service/web`);
  const blocked = get(`${two.url}/v1/health/service/web?index=${index}&wait=30s`);
  await put(`${one.url}/v1/agent/maintenance?enable=true`);
  assert.ok((await blocked).index > index);
  assert.equal((await get(`${two.url}/v1/health/service/apart`)).index, apart);
  await put(`${one.url}/v1/agent/maintenance?enable=false`);
  await passing('web-1,web-2');
});

test('checks of a machine go with its lease', async () => {
  const three = await add();
  await put(`${three.url}/v1/agent/check/register`, { Name: 'mine', TTL: '60s' });
  await until(
    () => get(`${two.url}/v1/health/node/m3`),
    ({ body }) => body.includes('mine'),
  );
  three.machine.stop();
  await three.machine.announcement!.lease.revoke();
  await until(
    () => get(`${two.url}/v1/health/state/any`),
    ({ body }) => !body.includes('mine') && !body.includes('m3'),
  );
});
