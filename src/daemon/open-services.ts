import type { Presence } from '../agent/index.ts';
import type { Cluster } from '../cluster/index.ts';
import type { Clock, Log, Random } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import {
  LocalServices,
  type PublisherPresence,
  runProbe,
  ServicePublisher,
  type ServiceSource,
} from '../services/index.ts';
import { ContainerServices, UnitServices } from '../services/sources/index.ts';
import type { Config } from './config-schema.ts';
import { prepareForShutdown } from './prepare-for-shutdown.ts';

export interface ServicesOptions {
  readonly cluster: Cluster;
  readonly presence: Presence;
  readonly runtime: UnitRuntime;
  readonly machine: () => Machine;
  /** The file that keeps registrations of third parties. */
  readonly file: string;
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Services {
  /** The services that this machine offers. */
  readonly local: LocalServices;
  /**
   * Takes this machine's services out of the catalog and waits until clients have stopped using them. Call after the
   * signal has aborted.
   */
  leave(): Promise<void>;
}

const MAX_WITHDRAWAL_MS = 1000;

/** Opens this machine's part in the catalog: its sources, their checks and the publisher. */
export function openServices(options: ServicesOptions): Services {
  const { cluster, runtime, machine, clock, config } = options;
  const units = new UnitServices({ cluster, runtime, address: () => machine().address });
  const local = new LocalServices({
    ...options,
    sources: [units, ...containerSource(options)],
    unitOf: (container) => units.unitOfContainer(container),
    unitContainersOnly: config.docker_containers === 'units',
    drainMs: config.drain_time,
    scriptChecks: { api: config.script_checks, container: config.docker_script_checks },
    probe: runProbe,
  });
  const publisher = new ServicePublisher({ ...options, local, presence: settledOnly(options.presence) });
  const prepare = async () => {
    const drainMs = local.leaveAll();
    // A store that does not take it holds up nothing: the machine shuts down all the same.
    await Promise.race([local.allLeft(), clock.sleep(MAX_WITHDRAWAL_MS)]);
    await clock.sleep(drainMs);
  };
  prepareForShutdown({ ...options, prepare, goOn: () => local.stayAll() });
  return {
    local,
    async leave() {
      const drainMs = local.leaveAll();
      await publisher.withdraw();
      await clock.sleep(drainMs);
    },
  };
}

function settledOnly(presence: Presence): PublisherPresence {
  return {
    get announcement() {
      return presence.settled;
    },
    onChange: (fn) => presence.onChange(fn),
    announce: () => presence.announce(),
  };
}

function containerSource(options: ServicesOptions): ServiceSource[] {
  const { docker_socket: socket, docker_internal: internal } = options.config;
  const facts = () => {
    const { address, name = '' } = options.machine();
    return { address, hostName: name, internal };
  };
  return socket === '' ? [] : [new ContainerServices({ ...options, socket, machine: facts })];
}
