import { readFileSync } from 'node:fs';
import { availableParallelism, hostname, networkInterfaces, totalmem } from 'node:os';
import { FlotillaError } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import type { Config } from './config-schema.ts';

const MACHINE_ID_FILE = '/etc/machine-id';

/** The id of this machine: configured, or the one systemd gave it. */
export function machineId(config: Config): string {
  const id = config.machine_id || readIfThere(MACHINE_ID_FILE).trim();
  if (/^[0-9a-f]{32}$/.test(id)) return id;
  const where = config.machine_id ? 'machine_id' : MACHINE_ID_FILE;
  throw new FlotillaError(
    'usage',
    `${where} must hold 32 hexadecimal digits; run systemd-machine-id-setup or set machine_id`,
  );
}

export function describeMachine(config: Config, id: string, endpoint: string | undefined, version: string): Machine {
  return {
    id,
    address: config.public_ip || defaultAddress(),
    name: config.node_name || hostname(),
    metadata: config.metadata,
    ...(endpoint ? { endpoint } : {}),
    resources: { cores: availableParallelism(), memoryBytes: totalmem() },
    version,
  };
}

/** Changes with every boot of the machine: what was left from before it is not alive. */
export function bootId(): string {
  return readIfThere('/proc/sys/kernel/random/boot_id').trim();
}

/** First global IPv4 address of the interface that holds the default route, else of any interface. */
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
