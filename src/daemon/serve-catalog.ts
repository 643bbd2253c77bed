import type { Cluster, View } from '../cluster/index.ts';
import { SessionKeeper, serveConsul } from '../consul/index.ts';
import { recursorsOf, serveDns } from '../dns/index.ts';
import { openKv } from '../kv/index.ts';
import {
  type AdmitPeer,
  type Clock,
  formatHostPort,
  type Log,
  type Random,
  type RefuseForeignPages,
} from '../lib/index.ts';
import { type Catalog, ExternalNodes, type LocalServices } from '../services/index.ts';
import type { Store } from '../store/index.ts';
import type { Config } from './config-schema.ts';
import { parseTcpAddress } from './listeners.ts';

export interface ServeCatalogOptions {
  readonly config: Config;
  readonly cluster: Cluster;
  readonly store: Store;
  readonly catalog: Catalog;
  readonly local: LocalServices;
  /** The id of this machine. */
  readonly machine: string;
  readonly pages: RefuseForeignPages;
  readonly admitPeer: AdmitPeer | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface ServedCatalog {
  /** The addresses of Consul's API and of DNS at present. */
  addresses(): { readonly consul: readonly string[]; readonly dns: readonly string[] };
  /** Reports whether this machine leads: the leader looks after sessions and locks. */
  lead(leads: boolean): void;
  close(): Promise<void>;
}

/** Serves the catalog to this machine: by Consul's HTTP API and by DNS. */
export async function serveCatalog(options: ServeCatalogOptions): Promise<ServedCatalog> {
  const { config, cluster, catalog, clock, random, log, signal } = options;
  const { datacenter } = config;
  const kv = openKv({ ...options, prefix: config.etcd_key_prefix });
  const keeper = new SessionKeeper({ kv, catalog, clock, random, log, signal });
  const addressesOf = (setting: 'consul_listen' | 'dns_listen') =>
    config[setting].map((address) => parseTcpAddress(setting, address));
  const leader = leaderOf(cluster, signal);
  const externals = new ExternalNodes({ cluster, catalog });
  const parts = { ...options, externals, kv, datacenter, leader };
  const consul = await serveConsul({ ...parts, listen: addressesOf('consul_listen') });
  const recursors = recursorsOf(config.dns_recursors, clock);
  const dns = await serveDns({ catalog, datacenter, recursors, clock, random, log, listen: addressesOf('dns_listen') });
  return {
    addresses: () => ({ consul: consul.addresses.map(formatHostPort), dns: dns.addresses.map(formatHostPort) }),
    lead: (leads) => keeper.lead(leads),
    async close() {
      await Promise.all([consul.close(), dns.close()]);
    },
  };
}

/** Returns a function that finds the leader, from a view opened on the first call. */
function leaderOf(cluster: Cluster, signal: AbortSignal): () => Promise<string | undefined> {
  let view: Promise<View> | undefined;
  return async () => {
    view ??= cluster.candidateView(signal).catch((error) => {
      view = undefined;
      throw error;
    });
    return (await view).snapshot.leader?.machine;
  };
}
