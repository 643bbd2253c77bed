import type { Route } from './route-table.ts';

/** `route` is absent when the host is known but nothing takes that path. */
export interface Found {
  readonly hostKnown: boolean;
  readonly route?: Route;
}

const NOTHING: Found = { hostKnown: false };

/** Finds the route of a request without looking at all of them. */
export class RouteIndex {
  /** Routes of one host, the longest path first. */
  readonly #hosts = new Map<string, Route[]>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const list = this.#hosts.get(route.host) ?? [];
      list.push(route);
      this.#hosts.set(route.host, list);
    }
    for (const list of this.#hosts.values()) list.sort((a, b) => b.path.length - a.path.length);
  }

  /** `host` is lower-case and without a port. The whole host goes before `*.rest`, and that before `NAME.*`. */
  find(host: string, path: string): Found {
    const routes = this.#routesOf(host);
    if (routes === undefined) return NOTHING;
    const route = routes.find((candidate) => isBelow(path, candidate.path));
    return route === undefined ? { hostKnown: true } : { hostKnown: true, route };
  }

  #routesOf(host: string): readonly Route[] | undefined {
    const whole = this.#hosts.get(host) ?? this.#hosts.get(`*${host.slice(host.indexOf('.'))}`);
    if (whole !== undefined) return whole;
    for (let dot = host.lastIndexOf('.'); dot > 0; dot = host.lastIndexOf('.', dot - 1)) {
      const routes = this.#hosts.get(`${host.slice(0, dot)}.*`);
      if (routes !== undefined) return routes;
    }
    return undefined;
  }
}

/** True when `path`, which may have a query, is `prefix` or below it. */
function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  if (path.length === prefix.length || prefix.endsWith('/')) return true;
  const next = path[prefix.length];
  return next === '/' || next === '?';
}
