import { type Endpoint, FleetClient } from '../client/index.ts';
import { FlotillaError, systemClock, systemRandom } from '../lib/index.ts';
import { chooseEndpoints } from './choose-endpoint.ts';
import type { Flags } from './flags.ts';
import type { Io } from './io.ts';

/** Makes the client that the global flags select. Connects only the tunnel, if there is one. */
export async function connect(flags: Flags, io: Io): Promise<FleetClient> {
  if (flags.text('driver').toUpperCase() !== 'API') {
    const driver = flags.text('driver');
    throw new FlotillaError('invalid', `--driver=${driver} is gone: leave it out, and name a fleetd with --endpoint`);
  }
  const endpoints = chooseEndpoints(flags, io);
  return new FleetClient({
    endpoints,
    ...(flags.text('tunnel') === '' ? {} : { dial: await dialer(flags, io) }),
    requestTimeoutMs: flags.ms('request-timeout'),
    tls: { ca: flags.text('ca-file'), cert: flags.text('cert-file'), key: flags.text('key-file') },
    clock: systemClock,
    random: systemRandom,
    ...(flags.bool('debug') ? { trace: (line: string) => io.err(`DEBUG ${line}\n`) } : {}),
  });
}

async function dialer(flags: Flags, io: Io) {
  const { dialThrough, openTunnel } = await import('./ssh/tunnel.ts');
  const tunnel = await openTunnel(flags, io);
  return (endpoint: Endpoint) => dialThrough(tunnel, endpoint);
}
