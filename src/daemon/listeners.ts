import { isIPv4, isIPv6 } from 'node:net';
import type { Listener } from '../api/index.ts';
import { FlotillaError } from '../lib/index.ts';

/** systemd passes its sockets from this file descriptor on (sd_listen_fds(3)). */
const FIRST_PASSED_FD = 3;

/** Sockets passed by systemd, when there are any, and those configured: paths and HOST:PORT. */
export function listenersOf(
  configured: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): readonly Listener[] {
  const passed = env['LISTEN_PID'] === String(process.pid) ? Number(env['LISTEN_FDS'] ?? 0) : 0;
  const fds = Array.from({ length: passed }, (_, index) => ({ fd: FIRST_PASSED_FD + index }));
  return [...fds, ...configured.map(parseListener)];
}

function parseListener(text: string): Listener {
  if (text.startsWith('/')) return { path: text, mode: 0o666 };
  const match = /^(?:\[(.+)\]|([^:]*)):(\d+)$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (!match || port > 65_535 || (host && !isIPv4(host) && !isIPv6(host)))
    throw new FlotillaError('usage', `listen: ${JSON.stringify(text)} is neither a path nor ADDRESS:PORT`);
  return { host: host || '0.0.0.0', port };
}

/** Where other machines reach the API: the first TCP listener that is bound to one address. */
export function tcpEndpoint(listeners: readonly Listener[]): string | undefined {
  for (const listener of listeners) {
    if (!('port' in listener) || listener.host === '0.0.0.0' || listener.host === '::') continue;
    return `http://${isIPv6(listener.host) ? `[${listener.host}]` : listener.host}:${listener.port}`;
  }
  return undefined;
}
