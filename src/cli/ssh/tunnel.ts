import type { Duplex } from 'node:stream';
import { type Endpoint, endpointText } from '../../client/index.ts';
import { FlotillaError } from '../../lib/index.ts';
import type { Flags } from '../flags.ts';
import type { Io } from '../io.ts';
import { lastLine, type SshEnd } from './explain-ssh.ts';
import { SshConnection, shellQuoted } from './ssh-connection.ts';
import { parseSshHost } from './ssh-host.ts';
import { sshSettings } from './ssh-settings.ts';

/** Opens the connection to the host of --tunnel. */
export function openTunnel(flags: Flags, io: Io): Promise<SshConnection> {
  return SshConnection.open(parseSshHost(flags.text('tunnel'), flags.text('ssh-username')), sshSettings(flags, io));
}

/** Opens a connection to an API server from the tunnel's other end, where socket paths and host names are resolved. */
export function dialThrough(tunnel: SshConnection, endpoint: Endpoint): Duplex {
  const explain = (end: SshEnd) =>
    new FlotillaError(
      'unavailable',
      `cannot reach the fleet API at ${endpointText(endpoint)} from ${tunnel}: ${reason(end)}`,
    );
  if (endpoint.kind === 'tcp') return tunnel.forward(endpoint, explain);
  return tunnel.pipe(`fleetctl fd-forward ${shellQuoted(endpoint.path)}`, explain);
}

function reason({ said, status }: SshEnd): string {
  if (status === 127) return 'there is no fleetctl on the path there';
  if (/forwarding request failed/.test(said)) return 'nothing listens there, or its sshd does not forward';
  return lastLine(said) ?? `fleetctl fd-forward ended with ${status} there`;
}
