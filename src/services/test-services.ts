import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { type Announcement, type Cluster, openCluster } from '../cluster/index.ts';
import { systemClock as clock, systemRandom as random, silentLog } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';
import { openEtcdStore } from '../store/index.ts';
import { LocalServices } from './local-services.ts';
import { runProbe } from './probes/index.ts';
import type { Registration, ServiceSource } from './registration.ts';
import { ServicePublisher } from './service-publisher.ts';

const log = silentLog;

/** Opens a real store with clusters in it, all closed after the tests of the file. */
export async function openTestStore() {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-services-'));
  const closing = new AbortController();
  const server = await startEmbeddedStore({ directory, host: '127.0.0.1', port: 0, clock, random, log });
  const store = openEtcdStore({ endpoints: [server.endpoint], clock, random, log });
  let count = 0;
  after(async () => {
    closing.abort();
    await store.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });
  return {
    directory,
    store,
    signal: closing.signal,
    newCluster: (): Cluster => openCluster({ store, prefix: `/test${++count}/`, clock, random, log }),
    options: { clock, random, log, signal: closing.signal },
  };
}

export type TestStore = Awaited<ReturnType<typeof openTestStore>>;

export function machine(id: string, over: Partial<Machine> = {}): Machine {
  const resources = { cores: 1, memoryBytes: 1e9 };
  return { id, name: id, address: `10.0.0.${id.replace(/\D/g, '')}`, metadata: {}, resources, version: '1', ...over };
}

/** Announces a machine under a lease of its own. */
export async function join(cluster: Cluster, self: Machine): Promise<Announcement> {
  const announcement = await cluster.announce(self, `token of ${self.id}`, await cluster.lease(5000));
  if (announcement === 'taken') throw new Error(`${self.id} is taken`);
  return announcement;
}

export function registration(id: string, over: Partial<Registration> = {}): Registration {
  return {
    id,
    name: 'web',
    address: '',
    port: 80,
    tags: [],
    meta: {},
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    source: 'unit',
    routes: [],
    checks: [],
    ...over,
  };
}

/** A source that reports the registrations that the test sets. */
export class TestSource implements ServiceSource {
  readonly name = 'unit';
  #state: readonly Registration[] | undefined;
  #wake = () => {};

  say(state: readonly Registration[]): void {
    this.#state = state;
    this.#wake();
  }

  async *states(signal: AbortSignal): AsyncGenerator<readonly Registration[]> {
    let said: readonly Registration[] | undefined;
    while (!signal.aborted) {
      if (this.#state && this.#state !== said) {
        said = this.#state;
        yield said;
      } else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
    }
  }
}

/** The services of one machine, published as by its fleetd. */
export class PublishingMachine {
  readonly source = new TestSource();
  readonly local: LocalServices;
  readonly publisher: ServicePublisher;
  readonly self: Machine;
  /** Units by the containers that they run. */
  readonly containers = new Map<string, string>();
  readonly #stopping = new AbortController();
  readonly #cluster: Cluster;
  readonly #listeners = new Set<() => void>();
  announcement: Announcement | undefined;

  constructor(testStore: TestStore, cluster: Cluster, self: Machine) {
    this.self = self;
    this.#cluster = cluster;
    const signal = AbortSignal.any([testStore.signal, this.#stopping.signal]);
    const options = { ...testStore.options, signal };
    const file = path.join(testStore.directory, `${self.id}.json`);
    const parts = { machine: () => self, sources: [this.source], file, probe: runProbe };
    this.local = new LocalServices({
      ...options,
      ...parts,
      unitOf: (name) => this.containers.get(name),
      unitContainersOnly: false,
      scriptChecks: { api: false, container: false },
      drainMs: 300,
    });
    this.publisher = new ServicePublisher({ ...options, cluster, local: this.local, presence: this });
  }

  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  announce(): void {
    // At the end of a test the store may be gone already.
    this.join().catch(() => {});
  }

  /** Announces the machine under its lease, or a new one when that has ended. */
  async join(): Promise<void> {
    const lease = this.announcement?.lease;
    const current = lease && !lease.lost.aborted ? lease : await this.#cluster.lease(5000);
    this.present(await this.#announce(current));
  }

  /** Makes the machine present by an announcement that the test has made. */
  present(announcement: Announcement | undefined): void {
    this.announcement = announcement;
    for (const listener of this.#listeners) listener();
  }

  /** Ends fleetd; the lease lives on. */
  stop(): void {
    this.#stopping.abort(new Error('stopped'));
  }

  async #announce(lease: Announcement['lease']): Promise<Announcement> {
    const announcement = await this.#cluster.announce(this.self, `token of ${this.self.id}`, lease);
    if (announcement === 'taken') throw new Error(`${this.self.id} is taken`);
    return announcement;
  }
}
