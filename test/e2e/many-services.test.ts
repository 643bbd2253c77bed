/** A thousand instances of a hundred services, as every machine of a lab tells of them. */

import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { Agent, request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { LabFixture, type LabMachine } from './lab-fixture.ts';

const SERVICES = 100;
const INSTANCES = 10;

interface Got {
  readonly index: number;
  readonly text: string;
}

describe('a thousand instances of a hundred services', () => {
  const lab = new LabFixture();
  const agent = new Agent({ keepAlive: true, maxSockets: 4 * SERVICES });
  const names = Array.from({ length: SERVICES }, (_, number) => `service-${number}`);
  let machines: readonly LabMachine[];
  before(async () => {
    await lab.up();
    machines = await lab.machines();
    const started = performance.now();
    await Promise.all(
      names.flatMap((name) => Array.from({ length: INSTANCES }, (_, instance) => register(name, instance))),
    );
    console.log(`registered within ${Math.round(performance.now() - started)} ms`);
  });
  after(async () => {
    agent.destroy();
    await lab.dispose();
  });

  const send = (machine: LabMachine, what: string, body?: unknown): Promise<Got> =>
    new Promise((resolve, reject) => {
      const url = `http://${machine.address}:${machine.consulPort}${what}`;
      const sent = request(url, { method: body === undefined ? 'GET' : 'PUT', agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ index: Number(response.headers['x-consul-index']), text }));
      });
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });

  /** The instances of a service are spread over the machines. */
  const register = (name: string, instance: number, meta = {}) =>
    send(machines[instance % machines.length]!, '/v1/agent/service/register', {
      ID: `${name}-${instance}`,
      Name: name,
      Port: 8000 + instance,
      Tags: ['http'],
      Meta: meta,
    });

  const json = async (machine: LabMachine, what: string) =>
    (await (await fetch(`${machine.endpoint}/fleet/v1${what}`)).json()) as {
      services: { name: string; instances: unknown[] }[];
      routes: { host: string; backends: unknown[] }[];
    };

  test('stand in the catalog and the routes of every machine', async () => {
    const expected = names.toSorted().map((name) => [name, INSTANCES]);
    for (const machine of machines) {
      await until('all in its catalog', async () => {
        const { services } = await json(machine, '/services');
        return services.reduce((sum, { instances }) => sum + instances.length, 0) === SERVICES * INSTANCES;
      });
      const { services } = await json(machine, '/services');
      assert.deepEqual(
        services.map(({ name, instances }) => [name, instances.length]),
        expected,
      );
      await until('all in its routes', async () => {
        const { routes } = await json(machine, '/router');
        return routes.length === SERVICES && routes.every(({ backends }) => backends.length === INSTANCES);
      });
    }
  });

  test('are told by DNS on every machine', async () => {
    for (const { address, dnsPort } of machines) {
      const resolver = new Resolver({ timeout: 5000 });
      resolver.setServers([`${address}:${dnsPort}`]);
      const ports = Array.from({ length: INSTANCES }, (_, instance) => 8000 + instance);
      for (const name of names) {
        const records = await resolver.resolveSrv(`${name}.service.consul`);
        assert.deepEqual(records.map(({ port }) => port).sort(), ports, name);
      }
    }
  });

  test('wake, when one of them changes, nobody but who asked for its service', async () => {
    const woken: string[] = [];
    const asked = await Promise.all(
      machines.flatMap((machine) =>
        names.map(async (name) => {
          const health = `/v1/health/service/${name}`;
          const { index } = await send(machine, health);
          return () =>
            send(machine, `${health}?index=${index}&wait=60s`).then(
              ({ text }) => woken.push(`${name} ${text.includes('"changed"')}`),
              () => {},
            );
        }),
      ),
    );
    for (const ask of asked) void ask();
    await register('service-50', 0, { state: 'changed' });
    await until('woken on every machine', () => woken.length >= machines.length);
    // Whoever is woken by mistake by the first change is woken before the second is told.
    await register('service-51', 0, { state: 'changed' });
    await until('woken again', () => woken.length >= 2 * machines.length);
    assert.deepEqual(
      woken.toSorted(),
      ['service-50 true', 'service-51 true'].flatMap((line) => machines.map(() => line)),
    );
  });
});
