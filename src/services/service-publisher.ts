import { isDeepStrictEqual } from 'node:util';
import { type Announcement, type Cluster, LeasedRecords } from '../cluster/index.ts';
import { type Clock, type Log, Loop, type Random } from '../lib/index.ts';
import type { NodeCheck, ServiceInstance } from '../model/index.ts';
import type { LocalServices } from './local-services.ts';

/** A machine's presence in the cluster, as far as the publisher needs it. */
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
 * Keeps this machine's records in the catalog equal to its instances and checks. It writes what changed, in batches, under
 * the machine's lease and the fence of its latest announcement, and everything again after the lease was lost.
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

  /** Removes all records of this machine from the catalog. Call it after the signal was aborted and `leaveAll`. */
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
    // The machine's checks come first: an instance must never show as healthy while its machine is not.
    const done =
      (await this.#checks.publish(announcement, checks)) === 'published' &&
      (await this.#instances.publish(announcement, instances)) === 'published';
    if (done) local.published(instances);
    else presence.announce();
  }
}
