import { compareText } from '../lib/index.ts';
import type { Route } from './route-table.ts';

/** Order of a route table: by host, then path. */
export function compareRoutes(a: Route, b: Route): number {
  return compareText(a.host, b.host) || compareText(a.path, b.path);
}

/**
 * Order of hosts for a proxy that takes the first that matches: a whole host before `*.rest`, that before `NAME.*`, of these
 * the longer first, and what yields behind all others.
 */
export function compareHosts(a: Route, b: Route): number {
  if (a.yields !== b.yields) return a.yields ? 1 : -1;
  return kindOf(a.host) - kindOf(b.host) || b.host.length - a.host.length || compareText(a.host, b.host);
}

function kindOf(host: string): number {
  if (host.endsWith('.*')) return 2;
  return host.startsWith('*.') ? 1 : 0;
}
