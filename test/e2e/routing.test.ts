/** What services do to one another by way of the router, on every machine of a lab. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../../src/lib/index.ts';
import { freePort } from '../../src/lib/test-free-port.ts';
import { until } from '../../src/lib/test-until.ts';
import { openEtcdStore } from '../../src/store/index.ts';
import { LabFixture, type LabMachine } from './lab-fixture.ts';
import { SteadyRequests } from './steady-requests.ts';

/**
 * Answers with its port. Its health, asked for with `flaps`, is good and bad in turn, in other words each time; once it has
 * been bad for a second, all else is answered with 500.
 */
const PROGRAM = `
const [port, flaps] = process.argv.slice(2);
let looks = 0;
let badSinceMs = Infinity;
require('node:http').createServer((request, response) => {
  if (request.url === '/looks') return response.end(String(looks));
  if (request.url === '/health') {
    const bad = looks++ % 2 === 1 && flaps === 'flaps';
    badSinceMs = bad ? Date.now() : Infinity;
    response.statusCode = bad ? 503 : 200;
    return response.end(String(looks));
  }
  if (Date.now() - badSinceMs > 1000) response.statusCode = 500;
  response.end(port);
}).listen(Number(port));
`;

interface Router {
  readonly routes: readonly {
    readonly host: string;
    readonly service: string;
    readonly backends: readonly unknown[];
  }[];
  readonly problems: readonly { readonly host: string; readonly service: string; readonly reason: string }[];
}

describe('services in a lab of three machines', () => {
  const lab = new LabFixture();
  let machines: readonly LabMachine[];
  const program = path.join(lab.folder, 'program.js');
  before(async () => {
    writeFileSync(program, PROGRAM);
    await lab.up();
    machines = await lab.machines();
  });
  after(() => lab.dispose());

  /** A unit file of that name that runs the program as a service. */
  const unit = (name: string, port: number, service: readonly string[], flaps = ''): string => {
    const file = path.join(lab.folder, `${name}.service`);
    const run = `[Service]\nExecStart=${process.execPath} ${program} ${port} ${flaps}\n`;
    writeFileSync(file, `${run}[X-Service]\nPort=${port}\n${service.join('\n')}\n`);
    return file;
  };
  const routerOf = async ({ endpoint }: LabMachine) =>
    (await (await fetch(`${endpoint}/fleet/v1/router`)).json()) as Router;
  const ask = (address: string, port: number, host: string, what = '/'): Promise<string> =>
    new Promise((resolve, reject) => {
      const request = http.get({ host: address, port, path: what, agent: false, headers: { host } }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve(body));
      });
      request.on('error', reject);
    });

  test('of two that claim one host the first by name has it everywhere, and the other gets it after it', async () => {
    const ports = [await freePort(), await freePort()] as const;
    const rule = ['Host=www.example.com'];
    // The one that comes later is the one that has it.
    await lab.ok('start', '--timeout', '60s', unit('beta', ports[1], rule));
    const answers = async () =>
      (
        await Promise.all(machines.map(({ address, routerPort }) => ask(address, routerPort, 'www.example.com')))
      ).join();
    const everywhere = (port: number) => machines.map(() => port).join();
    await until('beta has it', async () => (await answers()) === everywhere(ports[1]));
    await lab.ok('start', '--timeout', '60s', unit('alpha', ports[0], rule));
    await until('alpha has it', async () => (await answers()) === everywhere(ports[0]));
    for (const machine of machines) {
      const { problems } = await routerOf(machine);
      const reason = 'alpha has that host and path already';
      assert.deepEqual(problems, [{ host: 'www.example.com', path: '/', service: 'beta', reason }]);
      const said = readFileSync(path.join(machine.directory, 'fleetd.log'), 'utf8');
      assert.match(said, /WARN Not routed .*service=beta .*alpha has that host/);
    }
    const { out, err } = await lab.run('router', 'routes', '--no-legend');
    assert.match(out, /^www\.example\.com\talpha\t/m);
    assert.match(err, /^beta does not get "www\.example\.com\/": alpha has that host/);
    await lab.ok('destroy', 'alpha');
    await until('beta has it again', async () => (await answers()) === everywhere(ports[1]));
    for (const machine of machines) assert.deepEqual((await routerOf(machine)).problems, []);
    await lab.ok('destroy', 'beta');
    await until('nothing is left', async () => (await lab.ok('list-units', '--no-legend')) === '');
  });

  test('a check that passes and fails in turn costs no request, and the store one write for each change', async () => {
    const steady = [await freePort(), await freePort()];
    const flapping = await freePort();
    const rules = ['Name=web', 'Tags=http', 'Check=http:/health', 'Interval=2s'];
    const units = [
      ...steady.map((port) => unit(`steady-${port}`, port, rules)),
      unit('flapping', flapping, rules, 'flaps'),
    ];
    await lab.ok('start', '--timeout', '60s', ...units);
    const [first] = machines as [LabMachine];
    const backends = async () => (await routerOf(first)).routes.find(({ host }) => host === 'web.*')?.backends.length;
    await until('all three are routed', async () => (await backends()) === 3);
    const { store: where } = JSON.parse(await lab.ok('lab', 'status', '-o', 'json')) as { store: { endpoint: string } };
    const store = openEtcdStore({ endpoints: [where.endpoint], clock, random, log });
    const flapper = (await lab.whereActive('flapping.service'))!;
    const looks = async () => Number(await ask(flapper.address, flapping, 'any', '/looks'));
    try {
      const [looksBefore, revisionBefore] = [await looks(), await store.revision()];
      const load = new SteadyRequests({ host: first.address, port: first.routerPort, headers: { host: 'web.x' } }, 100);
      await until('it has changed five times', async () => (await looks()) >= looksBefore + 5);
      const writes = (await store.revision()) - revisionBefore;
      await load.stop();
      const changes = (await looks()) - looksBefore;
      assert.deepEqual(load.failures(), []);
      assert.ok(writes >= 3 && writes <= changes + 1, `${writes} writes for ${changes} changes`);
      const answered = (port: number) => load.answers.get(String(port)) ?? 0;
      console.log(
        `${load.outcomes.length} requests, ${answered(flapping)} of them to the flapping one; ${writes} writes`,
      );
      for (const port of steady) assert.ok(answered(port) > answered(flapping));
      assert.ok(answered(flapping) > 0, 'it is asked again while it is well');
    } finally {
      await store.close();
    }
  });
});
