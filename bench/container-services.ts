import path from 'node:path';
import { Presence } from '../src/agent/index.ts';
import { openCluster } from '../src/cluster/index.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../src/lib/index.ts';
import { type Catalog, LocalServices, openCatalog, runProbe, ServicePublisher } from '../src/services/index.ts';
import { ContainerServices } from '../src/services/sources/index.ts';
import { openEtcdStore } from '../src/store/index.ts';
import { DockerHosts } from '../test/e2e/docker-daemon.ts';
import type { Figure } from './figures.ts';

const IMAGE = 'busybox';
/** Docker takes this many commands at a time. */
const ABREAST = 8;

/**
 * Containers of a real dockerd, published like a fleetd does, until the catalog behind another connection has all: while
 * they are started, and by another machine that finds all of them running. They are on the machine's own network: one for
 * each would take docker longer than all else.
 */
export async function containerFigures(storeEndpoint: string, count: number): Promise<Figure[]> {
  const hosts = await DockerHosts.start(1);
  const stopping = new AbortController();
  const { signal } = stopping;
  const [ours, theirs] = [0, 1].map(() => openEtcdStore({ endpoints: [storeEndpoint], clock, random, log }));
  try {
    await hosts.docker(1, 'pull', '-q', IMAGE);
    const parts = { clock, random, log, signal };
    const clusterOf = (store: typeof ours) => openCluster({ store: store!, prefix: '/bench/', clock, random, log });
    const publishAs = (id: string) => publish(id, hosts, { ...parts, cluster: clusterOf(ours) });
    publishAs('c0');
    const catalog = openCatalog({ ...parts, cluster: clusterOf(theirs) });
    await startContainers(hosts, count);
    const started = await secondsUntil(catalog, count);
    publishAs('c1');
    const found = await secondsUntil(catalog, 2 * count);
    const figure = (name: string, seconds: number) => ({ name, unit: 's', samples: [seconds], target: '< 3' });
    return [
      figure(`${count} containers started, all in another machine's catalog after the last start`, started),
      figure('… found running by a fleetd that begins, all in the catalog', found),
    ];
  } finally {
    stopping.abort();
    await Promise.all([ours!.close(), theirs!.close()]);
    await hosts.dispose();
  }
}

/** All of them exist before the first is started. */
async function startContainers(hosts: DockerHosts, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `many-${i}`);
  const create = ['create', '--network', 'host', '--expose', '80', '-e', 'SERVICE_NAME=many'];
  await abreast(names, async (mine) => {
    for (const name of mine) await hosts.docker(1, ...create, '--name', name, IMAGE, 'sleep', 'infinity');
  });
  await abreast(names, (mine) => hosts.docker(1, 'start', ...mine));
}

/** From now until the catalog has so many. */
async function secondsUntil(catalog: Catalog, count: number): Promise<number> {
  const startMs = performance.now();
  while (catalog.snapshot.services.get('many')?.length !== count) {
    if (performance.now() - startMs > 60_000) throw new Error('the containers are not all in the catalog');
    await clock.sleep(2);
  }
  return (performance.now() - startMs) / 1000;
}

/** Shares the names among as many commands as docker takes at a time. */
async function abreast(names: readonly string[], work: (mine: readonly string[]) => Promise<unknown>): Promise<void> {
  const shares = Array.from({ length: ABREAST }, (_, share) => names.filter((_, i) => i % ABREAST === share));
  await Promise.all(shares.map(work));
}

type Parts = Omit<ConstructorParameters<typeof ServicePublisher>[0], 'presence' | 'local' | 'machine'>;

/** As a machine of its own, whose id and name are made of that. */
function publish(name: string, hosts: DockerHosts, parts: Parts): void {
  const resources = { cores: 1, memoryBytes: 1e9 };
  const self = { id: name.repeat(16), name, address: '127.0.9.9', metadata: {}, resources, version: '' };
  const memory = { load: () => undefined, save: () => {} };
  const presence = new Presence({ ...parts, machine: () => self, token: name, ttlMs: 10_000, memory });
  const source = new ContainerServices({
    ...parts,
    socket: hosts.socket(1),
    machine: () => ({ hostName: name, address: self.address, internal: false }),
  });
  const local = new LocalServices({
    ...parts,
    machine: () => self,
    sources: [source],
    file: path.join(hosts.folder, `${name}.json`),
    unitOf: () => undefined,
    unitContainersOnly: false,
    scriptChecks: { api: false, container: false },
    drainMs: 0,
    probe: runProbe,
  });
  new ServicePublisher({ ...parts, presence, local });
}
