import { isIP } from 'node:net';
import { FlotillaError } from '../lib/index.ts';
import type { PeerAccess } from './peer-access.ts';

/** What a request may do at most: look, change the cluster, or speak as another fleetd. */
export type Access = 'read' | 'write' | 'peer';

/** A request as seen by whoever decides whether it is let in. */
export interface Visit {
  readonly access: Access;
  readonly method: string;
  readonly path: string;
  header(name: string): string | undefined;
}

/** Throws FlotillaError (`unauthorized`, `forbidden`) to refuse a request. */
export type Authorize = (visit: Visit) => void | Promise<void>;

/** The one place all requests pass: fleetds show their secret, browsers of other sites change nothing. */
export async function admit(visit: Visit, peers: PeerAccess, authorize: Authorize | undefined): Promise<void> {
  if (visit.access === 'peer') await peers.assertPeer(visit.header('authorization'));
  if (visit.access === 'write') assertNoForeignSite(visit);
  await authorize?.(visit);
}

export function accessOf(method: string, path: string): Access {
  if (/^\/[^/]+(\/v1)?\/peer\//.test(path)) return 'peer';
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' ? 'read' : 'write';
}

/**
 * Since the API asks nobody on TCP for a password, a web page open in a browser that can reach it must not be able to
 * change anything. Browsers name the page's site in Origin; programs send none. A name in Host may have been pointed
 * here by that very site, so only addresses and localhost count as our own.
 */
function assertNoForeignSite(visit: Visit): void {
  const origin = visit.header('origin');
  const foreign = origin !== undefined && !(hostOf(origin) === visit.header('host') && isOwnHost(origin));
  if (foreign || visit.header('sec-fetch-site') === 'cross-site') {
    throw new FlotillaError('forbidden', 'requests made by web pages of other sites may not change the cluster');
  }
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function isOwnHost(origin: string): boolean {
  const name = new URL(origin).hostname.replace(/^\[|\]$/g, '');
  return name === 'localhost' || isIP(name) !== 0;
}
