import { isDeepStrictEqual } from 'node:util';
import { type Announcement, type Cluster, LeasedRecords } from '../cluster/index.ts';
import { type Clock, type Log, Loop, type Random } from '../lib/index.ts';
import type { NodeCheck, ServiceInstance } from '../model/index.ts';
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
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Keeps the catalog's records of this machine as its own instances and checks are: writes what changed, in batches, under its lease
 * and its latest announcement's fence. After a loss of the lease everything is written again.
 */
export class ServicePublisher {
  readonly #options: ServicePublisherOptions;
  readonly #instances: LeasedRecords<ServiceInstance>;
  readonly #checks: LeasedRecords<NodeCheck>;
  readonly #loop: Loop;
  #recalled = false;

  constructor(options: ServicePublisherOptions) {
    this.#options = options;
    const { cluster, presence, local, signal } = options;
    const same = (a: object, b: object) => a === b || isDeepStrictEqual(a, b);
    this.#instances = new LeasedRecords({
      read: (announcement) => cluster.instancesOf(announcement),
      write: (announcement, changes) => cluster.putInstances(announcement, changes),
      same,
    });
    this.#checks = new LeasedRecords({
      read: (announcement) => cluster.checksOf(announcement),
      write: (announcement, changes) => cluster.putChecks(announcement, changes),
      same,
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
    const { cluster, presence, local } = this.#options;
    const { announcement } = presence;
    if (!announcement) return;
    if (!this.#recalled) {
      local.recall(await cluster.instancesOf(announcement), await cluster.checksOf(announcement));
      this.#recalled = true;
    }
    const [instances, checks] = [local.instances(), local.nodeChecks()];
    // First: an instance is not to be seen well for a moment where its machine is not.
    const done =
      (await this.#checks.publish(announcement, checks)) === 'published' &&
      (await this.#instances.publish(announcement, instances)) === 'published';
    if (done) local.published(instances);
    else presence.announce();
  }
}
