/** The routes as one value: `buildRoutes` makes it, every data plane reads it. */

/** An instance to which the router sends requests. */
export interface Backend {
  /** Machine id and instance id, `MACHINE/ID`. */
  readonly id: string;
  readonly machine: string;
  /** IP address. */
  readonly address: string;
  readonly port: number;
  /** An integer from 1 to 65535; twice the weight gets twice the requests. */
  readonly weight: number;
}

/** Returns the URL prefix of a backend. */
export function originOf({ address, port }: Pick<Backend, 'address' | 'port'>): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** The requests for one host and path prefix, and the backends that share them. */
export interface Route {
  /** Lower case: `www.example.com`; `*.example.com` with any one label in front; `web.*` with any end. */
  readonly host: string;
  /** A prefix of whole path segments: `/api` matches `/api` and `/api/x`, not `/apix`. */
  readonly path: string;
  readonly service: string;
  /** Empty while every instance is critical. */
  readonly backends: readonly Backend[];
  /** A departed route, which takes requests only where no other route has the host. */
  readonly yields?: true;
}

/** A rule of a service that the router does not carry out. */
export interface RouteProblem {
  readonly host: string;
  readonly path: string;
  readonly service: string;
  /** The reason, as one clause. */
  readonly reason: string;
}

/** Immutable; unchanged routes and backends are the same objects as in the previous table. */
export interface RouteTable {
  /** The revision of the catalog from which it was made. */
  readonly revision: number;
  /** Sorted by host, then path; host and path are unique. */
  readonly routes: readonly Route[];
  /** Ids of the machines and external nodes in the catalog; instances on any other machine are lost. */
  readonly machines: readonly string[];
  readonly problems: readonly RouteProblem[];
}

export const NO_ROUTES: RouteTable = { revision: 0, routes: [], machines: [], problems: [] };

/** Returns the unique key of a route. */
export function routeKey({ host, path }: Pick<Route, 'host' | 'path'>): string {
  return host + path;
}
