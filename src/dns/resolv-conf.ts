import { readFileSync, statSync } from 'node:fs';
import { type Clock, type HostPort, parseHostPort } from '../lib/index.ts';

const DNS_PORT = 53;
/** resolv.conf(5) allows three (MAXNS). */
const MAX_NAMESERVERS = 3;
const LOOK_AGAIN_MS = 5000;

/**
 * Returns a function that lists the recursors. Each of `settings` is an ADDRESS, an ADDRESS:PORT, or the path of a
 * resolv.conf, which is read again after it has changed.
 */
export function recursorsOf(settings: readonly string[], clock: Clock): () => readonly HostPort[] {
  const sources = settings.map((setting) =>
    setting.startsWith('/') ? fileSource(setting, clock) : fixedSource(setting),
  );
  if (sources.length === 1) return sources[0]!;
  return () => sources.flatMap((source) => source());
}

function fixedSource(setting: string): () => readonly HostPort[] {
  const address = hostPort(setting);
  return () => (address ? [address] : []);
}

function hostPort(text: string): HostPort | undefined {
  return parseHostPort(text) ?? parseHostPort(text.includes(':') ? `[${text}]:${DNS_PORT}` : `${text}:${DNS_PORT}`);
}

function fileSource(path: string, clock: Clock): () => readonly HostPort[] {
  let lookAgainAt = Number.NEGATIVE_INFINITY;
  let readAtMtime: number | undefined;
  let found: readonly HostPort[] = [];
  return () => {
    if (clock.monotonic() < lookAgainAt) return found;
    lookAgainAt = clock.monotonic() + LOOK_AGAIN_MS;
    const mtime = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (mtime !== readAtMtime) {
      readAtMtime = mtime;
      found = mtime === undefined ? [] : nameservers(readFileSync(path, 'utf8'));
    }
    return found;
  };
}

function nameservers(text: string): HostPort[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)]
    .flatMap(([, address]) => hostPort(address!) ?? [])
    .slice(0, MAX_NAMESERVERS);
}
