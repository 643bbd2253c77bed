import { isDeepStrictEqual } from 'node:util';
import { type Announcement, type Cluster, LeasedRecords } from '../cluster/index.ts';
import { type Clock, type Log, Loop, type Random } from '../lib/index.ts';
import type { ServiceInstance } from '../model/index.ts';
import type { LocalServices } from './local-services.ts';

/** How a machine is present in the cluster. */
export interface PublisherPresence {
  readonly announcement: Announcement | undefined;
  onChange(fn: () => void): () => void;
  /** Asks for a new announcement, and with it a new fence. */
  announce(): void;
}

export interface ServicePublisherOptions {
  readonly cluster: Cluster;
  readonly presence: PublisherPresence;
  readonly local: LocalServices;
  readonly machine: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Keeps the catalog's records of this machine as its own instances are: writes what changed, in batches, under its lease
 * and its latest announcement's fence. After a loss of the lease everything is written again.
 */
export class ServicePublisher {
  readonly #options: ServicePublisherOptions;
  readonly #records: LeasedRecords<ServiceInstance>;
  readonly #loop: Loop;
  #recalled = false;

  constructor(options: ServicePublisherOptions) {
    this.#options = options;
    const { cluster, machine, presence, local, signal } = options;
    this.#records = new LeasedRecords({
      read: () => cluster.instancesOf(machine),
      write: (announcement, changes) => cluster.putInstances(announcement, changes),
      same: (a, b) => a === b || isDeepStrictEqual(a, b),
    });
    this.#loop = new Loop({ ...options, name: 'services' }, () => this.#publish());
    for (const end of [presence.onChange(() => this.#loop.wake()), local.onChange(() => this.#loop.wake())])
      signal.addEventListener('abort', end, { once: true });
  }

  /** Takes everything out of the catalog. Call after the signal has been aborted. */
  async withdraw(): Promise<void> {
    await this.#loop.done;
    await this.#publish();
  }

  async #publish(): Promise<undefined> {
    const { cluster, presence, local, machine } = this.#options;
    const { announcement } = presence;
    if (!announcement) return;
    if (!this.#recalled) {
      local.recall(await cluster.instancesOf(machine));
      this.#recalled = true;
    }
    const instances = local.instances();
    if ((await this.#records.publish(announcement, instances)) === 'announce') presence.announce();
    else local.published(instances);
  }
}
