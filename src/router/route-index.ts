import type { Route } from './route-table.ts';

/** `route` is absent when the host is known but no route has the path. */
export interface RouteMatch {
  readonly hostKnown: boolean;
  readonly route?: Route;
}

type Hosts = ReadonlyMap<string, readonly Route[]>;

const NOTHING: RouteMatch = { hostKnown: false };

/** Finds the route of a request without comparing all routes. */
export class RouteIndex {
  readonly #hosts: Hosts;
  /** Departed routes, which yield to all others. */
  readonly #departed: Hosts;

  constructor(routes: readonly Route[]) {
    this.#hosts = byHost(routes.filter(({ yields }) => !yields));
    this.#departed = byHost(routes.filter(({ yields }) => yields));
  }

  /** `host` is lower case, without a port. An exact host takes precedence over `*.rest`, and that over `NAME.*`. */
  find(host: string, path: string): RouteMatch {
    const routes = routesOf(host, this.#hosts) ?? routesOf(host, this.#departed);
    if (routes === undefined) return NOTHING;
    const route = routes.find((candidate) => isBelow(path, candidate.path));
    return route === undefined ? { hostKnown: true } : { hostKnown: true, route };
  }
}

/** Groups routes by host; in each group the longest path comes first. */
function byHost(routes: readonly Route[]): Hosts {
  const hosts = new Map<string, Route[]>();
  for (const route of routes) {
    const list = hosts.get(route.host) ?? [];
    list.push(route);
    hosts.set(route.host, list);
  }
  for (const list of hosts.values()) list.sort((a, b) => b.path.length - a.path.length);
  return hosts;
}

function routesOf(host: string, hosts: Hosts): readonly Route[] | undefined {
  if (hosts.size === 0) return undefined;
  const whole = hosts.get(host) ?? hosts.get(`*${host.slice(host.indexOf('.'))}`);
  if (whole !== undefined) return whole;
  for (let dot = host.lastIndexOf('.'); dot > 0; dot = host.lastIndexOf('.', dot - 1)) {
    const routes = hosts.get(`${host.slice(0, dot)}.*`);
    if (routes !== undefined) return routes;
  }
  return undefined;
}

/** True when `path`, which may include a query, is `prefix` or below it. */
function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  if (path.length === prefix.length || prefix.endsWith('/')) return true;
  const next = path[prefix.length];
  return next === '/' || next === '?';
}
