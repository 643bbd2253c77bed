import { type Announcement, openCluster } from '../src/cluster/index.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../src/lib/index.ts';
import { openEtcdStore, type Store } from '../src/store/index.ts';

const MACHINE = 'be'.repeat(16);
const RESOURCES = { cores: 1, memoryBytes: 1e9 };

/** A cluster of the lab over a connection of its own. */
export function connect(endpoint: string) {
  const store = openEtcdStore({ endpoints: [endpoint], clock, random, log });
  return { store, cluster: openCluster({ store, prefix: '/_coreos.com/fleet/', clock, random, log }) };
}

/** A machine made for a benchmark, with a single service instance named `bench`. */
export class CatalogWriter {
  readonly #cluster;
  readonly #store: Store;
  readonly #announcement: Announcement;

  private constructor({ store, cluster }: ReturnType<typeof connect>, announcement: Announcement) {
    this.#store = store;
    this.#cluster = cluster;
    this.#announcement = announcement;
  }

  static async open(endpoint: string): Promise<CatalogWriter> {
    const connection = connect(endpoint);
    const lease = await connection.cluster.lease(30_000);
    const self = { id: MACHINE, address: '127.0.9.9', metadata: {}, resources: RESOURCES, version: '' };
    const announcement = await connection.cluster.announce(self, 'bench', lease);
    if (announcement === 'taken') throw new Error('the machine of the benchmark is there already');
    return new CatalogWriter(connection, announcement);
  }

  /** From now on the instance answers there; resolves when that is committed. */
  async put(address: string, port: number): Promise<void> {
    const instance = {
      machine: MACHINE,
      id: 'bench',
      name: 'bench',
      address,
      port,
      tags: ['http'],
      meta: {},
      weights: { passing: 1, warning: 1 },
      enableTagOverride: false,
      source: 'api',
      routes: [],
      checks: [],
    } as const;
    await this.#cluster.putInstances(this.#announcement, new Map([['bench', instance]]));
  }

  /** The machine is gone with all it had. */
  async close(): Promise<void> {
    await this.#announcement.lease.revoke();
    await this.#store.close();
  }
}
