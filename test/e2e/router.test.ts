import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../../src/lib/test-free-port.ts';
import { until } from '../../src/lib/test-until.ts';
import { LabFixture } from './lab-fixture.ts';
import { SteadyRequests } from './steady-requests.ts';

const EXAMPLE: string = path.resolve(import.meta.dirname, '../../examples/paas-monitor');
const HOST = 'paas-monitor.example.com';

interface Route {
  readonly host: string;
  readonly backends: readonly { readonly id: string; readonly port: number; readonly address: string }[];
}

describe('the router, with ten paas-monitors under two hundred requests a second', () => {
  const lab = new LabFixture();
  const units: string[] = [];
  let load: SteadyRequests;
  let front: { readonly host: string; readonly port: number };

  before(async () => {
    await lab.up();
    const [first] = await lab.machines();
    front = { host: first!.address, port: first!.routerPort };
    // The example with its program where it is in this clone.
    const template = readFileSync(path.join(EXAMPLE, 'paas-monitor@.service'), 'utf8');
    writeFileSync(path.join(lab.folder, 'paas-monitor@.service'), template.replace('/opt/paas-monitor', EXAMPLE));
    for (let count = 0; count < 10; count++) units.push(`paas-monitor@${await freePort()}`);
    await lab.ok('start', '--timeout', '60s', ...units.map((unit) => path.join(lab.folder, unit)));
    await until('all ten are routed', async () => (await backends()).length === 10, 30_000);
    load = new SteadyRequests({ ...front, path: '/status', headers: { host: HOST } }, 200);
  });
  after(async () => {
    await load?.stop();
    await lab.dispose();
  });

  async function backends(): Promise<Route['backends']> {
    const { routes } = JSON.parse(await lab.ok('router', 'routes', '-o', 'json')) as { routes: Route[] };
    return routes.find(({ host }) => host === 'paas-monitor.*')?.backends ?? [];
  }

  /** Lets requests go on until so many more have been answered. */
  async function answered(count: number): Promise<void> {
    const goal = load.outcomes.length + count;
    await until(`${count} more answers`, () => load.outcomes.length >= goal, 30_000);
  }

  const instances = () => new Set([...load.answers.keys()].map((text) => /"key":"([^"]+)"/.exec(text)?.[1]));

  test('all ten answer under one name', async () => {
    await until('all have answered', () => instances().size === 10, 30_000);
    assert.deepEqual(load.failures(), []);
  });

  test('nothing fails while each of the ten is replaced', async () => {
    for (const unit of units) await lab.ok('restart', '--timeout', '60s', unit);
    await answered(200);
    assert.deepEqual(load.failures(), []);
  });

  test('nothing fails when one is destroyed, and nobody asks it any more', async () => {
    await lab.ok('destroy', units.pop()!);
    await until('nine are left', async () => (await backends()).length === 9);
    await answered(100);
    assert.deepEqual(load.failures(), []);
  });

  test('a machine that loses its power costs requests that may be repeated nothing after a second', async () => {
    const third = (await lab.machines()).find(({ number }) => number === 3)!;
    const sinceMs = performance.now();
    await lab.ok('lab', 'kill', '3');
    await until(
      'the routes are those of two machines',
      async () => (await backends()).every(({ address }) => address !== third.address),
      30_000,
    );
    await answered(200);
    assert.deepEqual(load.failures(sinceMs + 1000), []);
    await lab.ok('lab', 'revive', '3');
    await until('nine are routed again', async () => (await backends()).length === 9, 40_000);
  });

  test('a killed router is back within a moment', async () => {
    const { pid } = JSON.parse(readFileSync(path.join(lab.directory, 'm1/state/router/router.pid'), 'utf8')) as {
      pid: number;
    };
    process.kill(pid, 'SIGKILL');
    const backMs = await until('it answers again', async () => {
      const sinceMs = performance.now();
      await answered(20);
      return load.failures(sinceMs).length === 0 ? sinceMs : undefined;
    });
    await answered(200);
    assert.deepEqual(load.failures(backMs), []);
  });

  test('requests go on while fleetd is killed and comes back', async () => {
    const sinceMs = performance.now();
    await lab.ok('lab', 'kill', '--daemon-only', '1');
    await answered(100);
    await lab.ok('lab', 'revive', '1');
    await until('all are routed', async () => (await backends()).length === 9, 40_000);
    await until('the new fleetd has a router', async () => (await lab.run('router', 'backends')).status === 0);
    await answered(200);
    assert.deepEqual(load.failures(sinceMs), []);
  });

  test('backends and nginx, as fleetctl shows them', async () => {
    assert.match(await lab.ok('router', 'backends'), /SERVICE +INSTANCE +ADDRESS +STATE|^paas-monitor/m);
    const nginx = await lab.ok('router', 'render', 'nginx');
    assert.match(nginx, /server_name paas-monitor\.\*;/);
    assert.equal(nginx.match(/^ {4}server 127\.0\.1\.\d:\d+ /gm)?.length, 9);
    const { status, err } = await lab.run('router', 'nope');
    assert.equal(status, 2);
    assert.match(err, /fleetctl router routes, backends, certificates or render nginx/);
  });
});
