import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { whyNoDocker } from './docker-daemon.ts';
import { packNode } from './docker-images.ts';
import { DockerLab } from './docker-lab.ts';

import { enterOwnNetwork } from './own-network.ts';
import { SteadyRequests } from './steady-requests.ts';

const skip = whyNoDocker() ?? false;
if (skip === false) enterOwnNetwork();

const EXAMPLE: string = path.resolve(import.meta.dirname, '../../examples/paas-monitor');
const UNIT = path.join(EXAMPLE, 'paas-monitor-container@');
const HOST = 'paas-monitor.example.com';

interface Instance {
  readonly unit?: string;
  readonly address: string;
  readonly port: number;
  readonly health: string;
}

/** The example as its README says, on the machines of a lab that share a docker. */
describe('ten paas-monitors in containers, under a hundred requests a second', { skip }, () => {
  let lab: DockerLab;
  let load: SteadyRequests;

  before(async () => {
    lab = await DockerLab.startShared(3);
    await lab.hosts.docker(1, 'import', packNode(lab.folder), 'node:24-alpine');
    await lab.hosts.docker(1, 'build', '-t', 'paas-monitor', EXAMPLE);
    await lab.ok('start', '--timeout', '60s', ...Array.from({ length: 10 }, (_, i) => `${UNIT}${i + 1}`));
    await inCatalog(10);
    const [first] = await lab.machines();
    load = new SteadyRequests(
      { host: first!.address, port: first!.routerPort, path: '/status', headers: { host: HOST } },
      100,
    );
  });
  after(async () => {
    await load?.stop();
    await lab?.dispose();
  });

  /** What the catalog says: unit, where and how, one line each. */
  async function instances(): Promise<string[]> {
    const { status, out } = await lab.run('services', 'paas-monitor', '-o', 'json');
    if (status !== 0) return [];
    const found = (JSON.parse(out) as { instances: Instance[] }).instances;
    return found.map(({ unit, address, port, health }) => `${unit} ${address}:${port} ${health}`).sort();
  }

  /** The same as the docker and the placements have it. */
  async function containers(): Promise<string[]> {
    const running = await lab.hosts.docker(1, 'ps', '--format', '{{.Names}} {{.Ports}}');
    const units = await lab.units();
    return running
      .split('\n')
      .flatMap((line) => {
        const [, number, port] = /^paas-monitor-(\d+) 0\.0\.0\.0:(\d+)->8080\/tcp/.exec(line) ?? [];
        const unit = `paas-monitor-container@${number}.service`;
        return number ? [`${unit} 127.0.1.${units.get(unit)?.machine}:${port} passing`] : [];
      })
      .sort();
  }

  /** Waits until so many run, and the catalog holds these and nothing else, all of them passing. */
  async function inCatalog(count: number): Promise<void> {
    let [known, running]: string[][] = [[], []];
    await until(
      `${count} containers are in the catalog`,
      async () => {
        [known, running] = await Promise.all([instances(), containers()]);
        return running.length === count && known.join() === running.join();
      },
      60_000,
    ).catch((error) => {
      throw new Error(`${error.message}; docker runs\n${running?.join('\n')}\nand known are\n${known?.join('\n')}`);
    });
  }

  /** Lets requests go on until so many more have been answered. */
  async function answered(count: number): Promise<void> {
    const goal = load.outcomes.length + count;
    await until(`${count} more answers`, () => load.outcomes.length >= goal);
  }

  /** Waits until so many containers have answered from this moment on. */
  async function untilAllAnswer(count: number): Promise<void> {
    load.answers.clear();
    const keys = () => new Set([...load.answers.keys()].map((text) => /"key":"([^"]+)"/.exec(text)?.[1]));
    await until(`${count} have answered`, () => keys().size === count).catch(async (error) => {
      throw new Error(`${error.message}:\n${await lab.ok('router', 'backends')}`);
    });
  }

  test('all ten answer under one name', async () => {
    await untilAllAnswer(10);
    assert.deepEqual(load.failures(), []);
  });

  test('nothing fails when one is destroyed', async () => {
    await lab.ok('destroy', 'paas-monitor-container@10');
    await inCatalog(9);
    await answered(100);
    assert.deepEqual(load.failures(), []);
  });

  /** More often than a unit is started in a row, unless it says otherwise. */
  async function triedInVain(): Promise<void> {
    await until('a unit was started six times without docker', async () => {
      const words = await lab.ok('journal', '--output', 'cat', '--lines', '100', 'paas-monitor-container@1');
      return words.split('docker: Cannot connect to the Docker daemon').length > 6;
    });
  }

  const restarts = [
    ['TERM', triedInVain],
    ['KILL', undefined],
  ] as const;
  for (const [signal, meanwhile] of restarts) {
    test(`docker is restarted by SIG${signal}: no ghosts, and all of them answer again`, async (context) => {
      const sinceMs = performance.now();
      await lab.hosts.restartDaemon(1, signal, meanwhile);
      await inCatalog(9);
      await untilAllAnswer(9);
      const backMs = performance.now();
      await answered(100);
      tellFailures(context, load, sinceMs);
      assert.deepEqual(load.failures(backMs), []);
    });
  }
});

function tellFailures(context: TestContext, load: SteadyRequests, sinceMs: number): void {
  const failures = load.failures(sinceMs);
  const all = load.outcomes.filter(({ atMs }) => atMs >= sinceMs);
  const lastMs = Math.max(sinceMs, ...failures.map(({ atMs }) => atMs));
  const took = ((lastMs - sinceMs) / 1000).toFixed(1);
  context.diagnostic(`${failures.length} of ${all.length} requests failed, the last of them after ${took} s`);
}
