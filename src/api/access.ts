import type { RefuseForeignPages } from '../lib/index.ts';
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

export interface Gates {
  readonly peers: PeerAccess;
  readonly pages: RefuseForeignPages;
  readonly authorize?: Authorize | undefined;
}

/** The one place all requests pass: fleetds show their secret, web pages of other sites are refused. */
export async function admit(visit: Visit, { peers, pages, authorize }: Gates): Promise<void> {
  pages({ ...visit, writes: visit.access === 'write' });
  if (visit.access === 'peer') await peers.assertPeer(visit.header('authorization'));
  await authorize?.(visit);
}

export function accessOf(method: string, path: string): Access {
  if (/^\/[^/]+(\/v1)?\/peer\//.test(path)) return 'peer';
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' ? 'read' : 'write';
}
