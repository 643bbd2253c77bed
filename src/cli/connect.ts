import { FleetClient } from '../client/index.ts';
import { FlotillaError, systemClock, systemRandom } from '../lib/index.ts';
import { chooseEndpoints } from './choose-endpoint.ts';
import type { Flags } from './flags.ts';
import type { Io } from './io.ts';

/** The client which the global flags ask for. Nothing is connected yet. */
export function connect(flags: Flags, io: Io): FleetClient {
  if (flags.text('tunnel') !== '') {
    throw new FlotillaError(
      'invalid',
      '--tunnel needs ssh, which this version does not speak: name the API with --endpoint, such as http://HOST:49153',
    );
  }
  if (flags.text('driver').toUpperCase() !== 'API') {
    const driver = flags.text('driver');
    throw new FlotillaError('invalid', `--driver=${driver} is gone: leave it out, and name a fleetd with --endpoint`);
  }
  return new FleetClient({
    endpoints: chooseEndpoints(flags, io),
    requestTimeoutMs: Math.max(1, flags.ms('request-timeout')),
    tls: { ca: flags.text('ca-file'), cert: flags.text('cert-file'), key: flags.text('key-file') },
    clock: systemClock,
    random: systemRandom,
    ...(flags.bool('debug') ? { trace: (line: string) => io.err(`DEBUG ${line}\n`) } : {}),
  });
}
