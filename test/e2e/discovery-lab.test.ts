/** Consul's API and DNS as a person with a lab meets them: every machine at its own address. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, get as httpGet } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { until } from '../../src/lib/test-until.ts';
import { LabFixture, type LabMachine } from './lab-fixture.ts';

const run = promisify(execFile);
const noDig = existsSync('/usr/bin/dig') ? false : 'dig is not there: apt-get install bind9-dnsutils';

interface Machine extends LabMachine {
  readonly consulPort: number;
  readonly dnsPort: number;
}

describe('a lab of three machines', () => {
  const lab = new LabFixture();
  let machines: Machine[];
  before(async () => {
    await lab.up('--machines', '3');
    machines = (await lab.machines()) as Machine[];
  });
  after(() => lab.dispose());

  const urlOf = ({ address, consulPort }: Machine) => `http://${address}:${consulPort}`;
  const json = async (machine: Machine, what: string, init: RequestInit = {}) => {
    const response = await fetch(`${urlOf(machine)}${what}`, init);
    const text = await response.text();
    // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes.
    return (text === '' ? undefined : JSON.parse(text)) as any;
  };
  const dig = async ({ address, dnsPort }: Machine, ...args: string[]) =>
    (await run('dig', [`@${address}`, '-p', String(dnsPort), '+short', '+time=5', ...args])).stdout
      .trim()
      .split('\n')
      .sort();

  const askRouter = async ({ address, routerPort }: Machine, host: string) => {
    const [response] = await once(httpGet({ host: address, port: routerPort, headers: { host } }), 'response');
    return await textOf(response);
  };

  test('a service registered on one machine is known on all of them, by HTTP and DNS', { skip: noDig }, async () => {
    const [one, two, three] = machines as [Machine, Machine, Machine];
    await fetch(`${urlOf(one)}/v1/agent/service/register`, {
      method: 'PUT',
      body: JSON.stringify({ Name: 'web', Port: 8080, Tags: ['http'], Check: { TTL: '600s', Status: 'passing' } }),
    });
    await until('web in the catalog', async () => (await json(three, '/v1/health/service/web?passing')).length === 1);
    assert.deepEqual((await json(two, '/v1/catalog/services')).web, ['http']);
    assert.deepEqual(await dig(three, 'web.service.consul', 'SRV'), ['1 1 8080 m1.node.dc1.consul.']);
    assert.deepEqual(await dig(two, 'consul.service.consul'), ['127.0.1.1', '127.0.1.2', '127.0.1.3']);
    assert.match(await lab.ok('lab', 'status'), /^Consul's API: http:\/\/127\.0\.1\.1:\d+, /m);
  });

  test('a computer without fleetd, registered on one machine, is found and routed to from all', {
    skip: noDig,
  }, async () => {
    const [one, two, three] = machines as [Machine, Machine, Machine];
    const shop = createServer((_, response) => response.end('shop'));
    await new Promise<void>((resolve) => shop.listen(0, '127.0.0.9', resolve));
    const { port } = shop.address() as AddressInfo;
    const write = (what: string, body: object) => json(one, what, { method: 'PUT', body: JSON.stringify(body) });
    try {
      const Service = { Service: 'shop', Port: port, Tags: ['http'] };
      const Check = { CheckID: 'alive', Status: 'passing' };
      await write('/v1/catalog/register', { Node: 'Outside', Address: '127.0.0.9', Service, Check });
      await until(
        'shop in the catalog',
        async () => (await json(three, '/v1/health/service/shop?passing')).length === 1,
      );
      assert.deepEqual(await dig(three, 'outside.node.consul'), ['127.0.0.9']);
      assert.deepEqual(await dig(three, 'http.shop.service.consul', 'SRV'), [`1 1 ${port} outside.node.dc1.consul.`]);
      assert.deepEqual(await dig(three, 'consul.service.consul'), ['127.0.1.1', '127.0.1.2', '127.0.1.3']);
      assert.match(await lab.ok('services', 'shop'), /^shop\s+127\.0\.0\.9:\d+\s+external\.\.\.\/Outside\s+passing/m);
      await until('routed', async () => (await askRouter(two, 'shop.example.com')) === 'shop');
      await json(two, '/v1/catalog/deregister', { method: 'PUT', body: '{"Node": "outside"}' });
      assert.deepEqual(await dig(two, 'outside.node.consul'), ['']);
    } finally {
      shop.close();
    }
  });

  test('a machine in maintenance is left out of DNS, also after a restart of fleetd', { skip: noDig }, async () => {
    const [one, two] = machines as [Machine, Machine, Machine];
    const maintain = (enable: boolean) =>
      json(one, `/v1/agent/maintenance?enable=${enable}&reason=disks`, { method: 'PUT' });
    await maintain(true);
    await until('web is out', async () => (await dig(two, 'web.service.consul'))[0] === '');
    assert.match(await lab.ok('services', 'web'), /critical\s.*disks/);
    await lab.ok('lab', 'kill', '--daemon-only', '1');
    await lab.ok('lab', 'revive', '1');
    assert.ok('_node_maintenance' in (await json(one, '/v1/agent/checks')));
    assert.deepEqual(await json(two, '/v1/health/service/web?passing'), []);
    await maintain(false);
    await until('web is back', async () => (await dig(two, 'web.service.consul'))[0] === '127.0.1.1');
  });

  test('a lock and its service go with the machine that had them', { skip: noDig }, async () => {
    const [one, two, three] = machines as [Machine, Machine, Machine];
    const { ID } = await json(one, '/v1/session/create', { method: 'PUT', body: '{"LockDelay": "0s"}' });
    assert.equal(await json(one, `/v1/kv/lock?acquire=${ID}`, { method: 'PUT', body: 'one' }), true);
    const leader = async () => String(await json(two, '/v1/status/leader'));
    assert.match(await leader(), /^127\.0\.1\.\d:/);
    await lab.ok('lab', 'kill', '1');
    await until('the lock is free', async () => (await json(two, '/v1/kv/lock'))[0].Session === undefined);
    assert.deepEqual(await json(three, '/v1/health/service/web'), []);
    assert.deepEqual(await dig(three, 'web.service.consul'), ['']);
    assert.doesNotMatch(await leader(), /^127\.0\.1\.1:/);
    await lab.ok('lab', 'revive', '1');
    await until('web is back', async () => (await json(three, '/v1/health/service/web')).length === 1);
  });

  test('a port that somebody else took is named, and fleetd lives on', async () => {
    const [one] = machines as [Machine];
    await lab.ok('lab', 'kill', '--daemon-only', '1');
    const thief = createServer((_, response) => response.end('thief'));
    await new Promise<void>((resolve) => thief.listen(one.consulPort, one.address, resolve));
    try {
      await lab.ok('lab', 'revive', '1');
      const moved = ((await lab.machines()) as Machine[])[0]!;
      assert.notEqual(moved.consulPort, one.consulPort, 'the lab chooses another one');
      assert.ok((await json(moved, '/v1/catalog/nodes')).length === 3);
      assert.doesNotMatch(readFileSync(path.join(lab.directory, 'm1/fleetd.log'), 'utf8'), /ERROR/);
    } finally {
      thief.closeAllConnections();
      thief.close();
    }
  });
});
