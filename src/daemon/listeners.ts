import { isIPv6 } from 'node:net';
import type { Listener } from '../api/index.ts';
import { FlotillaError, type HostPort, parseHostPort } from '../lib/index.ts';

/** systemd passes sockets from this file descriptor on (sd_listen_fds(3)). */
const FIRST_PASSED_FD = 3;
/** The socket at which fleetctl expects its machine's API. */
const DEFAULT_LISTENER: Listener = { path: '/var/run/fleet.sock', mode: 0o660 };

export interface ListenersOptions {
  /** Paths and HOST:PORT of the `listen` setting. */
  readonly configured: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
}

/** Lists the sockets passed by systemd and the configured ones; the default one when there are none. */
export function listenersOf({ configured, env, pid }: ListenersOptions): readonly Listener[] {
  const passed = env['LISTEN_PID'] === String(pid) ? Number(env['LISTEN_FDS'] ?? 0) : 0;
  const fds = Array.from({ length: passed }, (_, index) => ({ fd: FIRST_PASSED_FD + index }));
  const all = [...fds, ...configured.map(parseListener)];
  return all.length > 0 ? all : [DEFAULT_LISTENER];
}

function parseListener(text: string): Listener {
  return text.startsWith('/') ? { path: text, mode: 0o660 } : parseTcpAddress('listen', text, 'neither a path nor');
}

/** Parses `HOST:PORT` or `:PORT` (all addresses); throws FlotillaError `usage` that names the setting. */
export function parseTcpAddress(setting: string, text: string, not = 'not'): HostPort {
  const address = parseHostPort(text);
  if (!address) throw new FlotillaError('usage', `${setting}: ${JSON.stringify(text)} is ${not} ADDRESS:PORT`);
  return address;
}

/** Lists the TCP addresses of the API that other computers may reach. The API asks for no password. */
export function openToNetwork(addresses: readonly string[]): readonly string[] {
  const tcp = addresses.filter((address) => address.startsWith('http://'));
  return tcp
    .map((address) => new URL(address))
    .flatMap(({ hostname, port }) => (/^(127\.|\[::1\]$)/.test(hostname) ? [] : [`${hostname}:${port || 80}`]));
}

/**
 * Returns the endpoint at which other machines reach the API: its first TCP address. A wildcard address is replaced by
 * the machine's own.
 */
export function tcpEndpoint(addresses: readonly string[], machineAddress: string): string | undefined {
  for (const address of addresses) {
    if (!address.startsWith('http://')) continue;
    const { hostname, port } = new URL(address);
    if (hostname !== '0.0.0.0' && hostname !== '[::]') return `http://${hostname}:${port || 80}`;
    if (machineAddress !== '')
      return `http://${isIPv6(machineAddress) ? `[${machineAddress}]` : machineAddress}:${port || 80}`;
  }
  return undefined;
}
