import { RouteIndex } from './route-index.ts';
import { compareRoutes } from './route-order.ts';
import { type Route, type RouteTable, routeKey } from './route-table.ts';

export interface DepartedRoutesOptions {
  /** Returns monotonic milliseconds. */
  readonly now: () => number;
  readonly keepMs: number;
  /** Limit of routes kept; the oldest is dropped first. */
  readonly limit: number;
}

/**
 * Keeps routes whose last instance left the catalog recently. A crash removes the only instance of a service: its
 * clients should be told to come back soon (503), not that the host is unknown (404).
 */
export class DepartedRoutes {
  readonly #options: DepartedRoutesOptions;
  /** Departed routes by key, in the order of departure. */
  readonly #departed = new Map<string, { readonly route: Route; readonly untilMs: number }>();

  constructor(options: DepartedRoutesOptions) {
    this.#options = options;
  }

  /** The time at which the next route is dropped; undefined when none is kept. */
  get nextMs(): number | undefined {
    return this.#departed.values().next().value?.untilMs;
  }

  /**
   * Returns `after` plus routes without backends for those that departed since `before` and recently. A host and path
   * that another route takes now has moved and is no outage. A departed route yields wherever it would precede one of
   * `after`.
   */
  keep(before: RouteTable, after: RouteTable): RouteTable {
    const { now, keepMs, limit } = this.#options;
    const there = new Set(after.routes.map(routeKey));
    for (const route of before.routes) {
      const key = routeKey(route);
      if (!there.has(key)) this.#departed.set(key, { route: { ...route, backends: [] }, untilMs: now() + keepMs });
    }
    const index = new RouteIndex(after.routes);
    const isTaken = ({ host, path }: Route) => index.find(host.replace('*', 'any'), path).route !== undefined;
    for (const [key, { route, untilMs }] of this.#departed) {
      if (isTaken(route) || untilMs <= now() || this.#departed.size > limit) this.#departed.delete(key);
    }
    if (this.#departed.size === 0) return after;
    this.#markYielding(after, index);
    const departed = [...this.#departed.values()].map(({ route }) => route);
    return { ...after, routes: [...after.routes, ...departed].sort(compareRoutes) };
  }

  #markYielding({ routes }: RouteTable, index: RouteIndex): void {
    const hosts = new Set(routes.map(({ host }) => host));
    const isAnyName = routes.some(({ host }) => host.endsWith('.*'));
    const yields = ({ host }: Route) =>
      !hosts.has(host) && (host.startsWith('*.') ? isAnyName : index.find(host.replace('*', 'any'), '/').hostKnown);
    for (const [key, { route, untilMs }] of this.#departed) {
      if (yields(route) === (route.yields ?? false)) continue;
      const { yields: _, ...plain } = route;
      this.#departed.set(key, { route: yields(route) ? { ...plain, yields: true } : plain, untilMs });
    }
  }
}
