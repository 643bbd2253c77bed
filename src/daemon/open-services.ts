import type { Presence } from '../agent/index.ts';
import type { Cluster } from '../cluster/index.ts';
import type { Clock, Log, Random } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import { type Catalog, LocalServices, openCatalog, runProbe, ServicePublisher } from '../services/index.ts';

export interface ServicesOptions {
  readonly cluster: Cluster;
  readonly presence: Presence;
  readonly machine: () => Machine;
  /** Where registrations of third parties are kept. */
  readonly file: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Services {
  /** What all machines offer. */
  readonly catalog: Catalog;
  /** What this machine offers. */
  readonly local: LocalServices;
}

/** This machine's part in the catalog of services. */
export function openServices(options: ServicesOptions): Services {
  const local = new LocalServices({ ...options, sources: [], probe: runProbe });
  new ServicePublisher({ ...options, machine: options.machine().id, local });
  return { catalog: openCatalog(options), local };
}
