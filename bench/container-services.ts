import path from 'node:path';
import { Presence } from '../src/agent/index.ts';
import { openCluster } from '../src/cluster/index.ts';
import { ContainerServices } from '../src/containers/index.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../src/lib/index.ts';
import { LocalServices, openCatalog, runProbe, ServicePublisher } from '../src/services/index.ts';
import { openEtcdStore } from '../src/store/index.ts';
import { DockerHosts } from '../test/e2e/docker-daemon.ts';
import type { Figure } from './figures.ts';

const IMAGE = 'jlordiales/python-micro-service';
/** Docker takes this many commands at a time. */
const ABREAST = 8;

/** Containers of a real dockerd, published like a fleetd does, until the catalog behind another connection has all. */
export async function containerFigure(storeEndpoint: string, count: number): Promise<Figure> {
  const hosts = await DockerHosts.start(1);
  const stopping = new AbortController();
  const { signal } = stopping;
  const [ours, theirs] = [0, 1].map(() => openEtcdStore({ endpoints: [storeEndpoint], clock, random, log }));
  try {
    await hosts.docker(1, 'pull', '-q', IMAGE);
    const parts = { clock, random, log, signal };
    const clusterOf = (store: typeof ours) => openCluster({ store: store!, prefix: '/bench/', clock, random, log });
    const cluster = clusterOf(ours);
    publish(hosts.socket(1), path.join(hosts.folder, 'services.json'), {
      ...parts,
      cluster,
    });
    const catalog = openCatalog({ ...parts, cluster: clusterOf(theirs) });
    const names = Array.from({ length: count }, (_, i) => `many-${i}`);
    const abreast = async (command: (name: string) => readonly string[]) => {
      const waiting = [...names];
      const work = async () => {
        for (let name = waiting.pop(); name; name = waiting.pop()) await hosts.docker(1, ...command(name));
      };
      await Promise.all(Array.from({ length: ABREAST }, work));
    };
    await abreast((name) => ['create', '-P', '-e', 'SERVICE_NAME=many', '--name', name, IMAGE]);
    await abreast((name) => ['start', name]);
    const startMs = performance.now();
    while (catalog.snapshot.services.get('many')?.length !== count) {
      if (performance.now() - startMs > 60_000) throw new Error('the containers are not all in the catalog');
      await clock.sleep(2);
    }
    const samples = [(performance.now() - startMs) / 1000];
    const name = `${count} containers started, all in another machine's catalog after the last start`;
    return { name, unit: 's', samples, target: '< 3' };
  } finally {
    stopping.abort();
    await Promise.all([ours!.close(), theirs!.close()]);
    await hosts.dispose();
  }
}

type Parts = Omit<ConstructorParameters<typeof ServicePublisher>[0], 'presence' | 'local' | 'machine'>;

function publish(socket: string, file: string, parts: Parts): void {
  const resources = { cores: 1, memoryBytes: 1e9 };
  const self = { id: 'c0'.repeat(16), name: 'bench', address: '127.0.9.9', metadata: {}, resources, version: '' };
  const memory = { load: () => undefined, save: () => {} };
  const presence = new Presence({ ...parts, machine: () => self, token: 'bench', ttlMs: 10_000, memory });
  const source = new ContainerServices({
    ...parts,
    socket,
    machine: () => ({ hostName: 'bench', address: self.address }),
  });
  const local = new LocalServices({
    ...parts,
    machine: () => self,
    sources: [source],
    file,
    unitOf: () => undefined,
    unitContainersOnly: false,
    scriptChecks: false,
    drainMs: 0,
    probe: runProbe,
  });
  new ServicePublisher({ ...parts, presence, local, machine: self.id });
}
