import { type Cluster, type ExternalRegistration, MAX_EXTERNAL_CHECKS } from '../cluster/index.ts';
import { FlotillaError } from '../lib/index.ts';
import type { Catalog } from './catalog.ts';
import { shortened } from './check-result.ts';
import { MAX_REGISTRATION_BYTES } from './registration.ts';

export interface ExternalNodesOptions {
  readonly cluster: Cluster;
  readonly catalog: Catalog;
}

/**
 * Registers and deregisters external nodes, which clients may do on any machine. Both calls resolve once the catalog of this
 * machine shows what they wrote, and reject with `unavailable` while the store cannot be reached.
 */
export class ExternalNodes {
  readonly #options: ExternalNodesOptions;

  constructor(options: ExternalNodesOptions) {
    this.#options = options;
  }

  /** As registerExternal of the cluster; throws `too-large` when the catalog has no room for it. */
  async register({ checks, ...rest }: ExternalRegistration): Promise<void> {
    const { cluster, catalog } = this.#options;
    const registration = { ...rest, checks: checks.map((check) => ({ ...check, output: shortened(check.output) })) };
    if (Buffer.byteLength(JSON.stringify(registration)) > MAX_REGISTRATION_BYTES)
      throw new FlotillaError('too-large', `a registration may have ${MAX_REGISTRATION_BYTES} bytes at most`);
    if (checks.length > MAX_EXTERNAL_CHECKS)
      throw new FlotillaError('too-large', `a registration may have ${MAX_EXTERNAL_CHECKS} checks at most`);
    await cluster.registerExternal(registration);
    await catalog.sync();
  }

  /** As deregisterExternal of the cluster. */
  async deregister(what: Parameters<Cluster['deregisterExternal']>[0]): Promise<void> {
    const { cluster, catalog } = this.#options;
    await cluster.deregisterExternal(what);
    await catalog.sync();
  }
}
