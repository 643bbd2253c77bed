import { readFileSync } from 'node:fs';
import { availableParallelism, hostname, networkInterfaces, totalmem } from 'node:os';
import { type Clock, FlotillaError } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import type { Config } from './config-schema.ts';

const MACHINE_ID_FILE = '/etc/machine-id';
const LOOK_UP_MS = 1000;

/**
 * Returns the id, valid or not, that this machine would have if fleetd started now: the configured one, or systemd's.
 */
export function machineIdNow(config: Config): string {
  return config.machine_id || readIfThere(MACHINE_ID_FILE).trim();
}

/** Returns the id of this machine; throws a FlotillaError when it has none. */
export function machineId(config: Config): string {
  const id = machineIdNow(config);
  if (/^[0-9a-f]{32}$/.test(id)) return id;
  const where = config.machine_id ? 'machine_id' : MACHINE_ID_FILE;
  throw new FlotillaError(
    'usage',
    `${where} must hold 32 hexadecimal digits; run systemd-machine-id-setup or set machine_id`,
  );
}

export interface DescribeMachineOptions {
  readonly config: Config;
  readonly id: string;
  readonly version: string;
  /** Returns the API's endpoint for the machine's address. */
  readonly endpoint: (address: string) => string | undefined;
}

/** Describes the machine as it is now. */
export function describeMachine({ config, id, version, endpoint: endpointAt }: DescribeMachineOptions): Machine {
  const address = config.public_ip || defaultAddress();
  const endpoint = endpointAt(address);
  return {
    id,
    address,
    name: config.node_name || hostname(),
    metadata: config.metadata,
    ...(endpoint ? { endpoint } : {}),
    resources: { cores: availableParallelism(), memoryBytes: totalmem() },
    version,
  };
}

/**
 * Caches `machine` for a second: the kernel needs a millisecond to list its interfaces, and services are described
 * whenever a unit changes.
 */
export function lookUpRarely(machine: () => Machine, clock: Clock): () => Machine {
  let known = machine();
  let lookedUpMs = clock.monotonic();
  return () => {
    if (clock.monotonic() - lookedUpMs < LOOK_UP_MS) return known;
    known = machine();
    lookedUpMs = clock.monotonic();
    return known;
  };
}

/** Changes with every boot of the machine: what was left from before it is not alive. */
export function bootId(): string {
  return readIfThere('/proc/sys/kernel/random/boot_id').trim();
}

/** Returns the first global IPv4 address of the default route's interface, else of any interface. */
function defaultAddress(): string {
  const route = readIfThere('/proc/net/route')
    .split('\n')
    .map((line) => line.split('\t'))
    .find((fields) => fields[1] === '00000000');
  const interfaces = networkInterfaces();
  const candidates = [
    ...(interfaces[route?.[0] ?? ''] ?? []),
    ...Object.values(interfaces).flatMap((list) => list ?? []),
  ];
  return candidates.find((item) => item.family === 'IPv4' && !item.internal)?.address ?? '';
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
