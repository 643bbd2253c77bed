import { type Presence, UnitServices } from '../agent/index.ts';
import type { Cluster } from '../cluster/index.ts';
import type { Clock, Log, Random } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { LocalServices, runProbe, ServicePublisher } from '../services/index.ts';

export interface ServicesOptions {
  readonly cluster: Cluster;
  readonly presence: Presence;
  readonly runtime: UnitRuntime;
  readonly machine: () => Machine;
  /** Where registrations of third parties are kept. */
  readonly file: string;
  /** See LocalServices. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Services {
  /** What this machine offers. */
  readonly local: LocalServices;
  /**
   * Takes this machine's services out of the catalog and waits until nobody should send them anything. Call after the
   * signal has been aborted.
   */
  leave(): Promise<void>;
}

/** This machine's part in the catalog: finds out what it offers and publishes it. */
export function openServices(options: ServicesOptions): Services {
  const { cluster, runtime, machine, clock } = options;
  const units = new UnitServices({ cluster, runtime, address: () => machine().address });
  const unitOf = (container: string) => units.unitOfContainer(container);
  const local = new LocalServices({ ...options, sources: [units], unitOf, probe: runProbe });
  const publisher = new ServicePublisher({ ...options, machine: machine().id, local });
  return {
    local,
    async leave() {
      const drainMs = local.leaveAll();
      await publisher.withdraw();
      await clock.sleep(drainMs);
    },
  };
}
