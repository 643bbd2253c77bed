/** What the router does with a request, as one value: written by `buildRoutes`, read by every data plane. */

/** One place to send requests to. */
export interface Backend {
  /** Machine id and instance id, `MACHINE/ID`. */
  readonly id: string;
  readonly machine: string;
  /** IP address. */
  readonly address: string;
  readonly port: number;
  /** A whole number from 1 to 65535; twice the weight takes twice the requests. */
  readonly weight: number;
}

/** Where a backend is, as the beginning of a URL. */
export function originOf({ address, port }: Pick<Backend, 'address' | 'port'>): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** The requests for one host and path prefix, and the backends that share them. */
export interface Route {
  /** Lower-case: `www.example.com`; `*.example.com` with any one label before; `web.*` with anything after. */
  readonly host: string;
  /** Prefix of whole path segments: `/api` takes `/api` and `/api/x`, not `/apix`. */
  readonly path: string;
  readonly service: string;
  /** Empty while every instance is critical. */
  readonly backends: readonly Backend[];
  /** It has departed, and takes only requests for which no other route has the host. */
  readonly yields?: true;
}

/** Something a service asks for that the router does not do. */
export interface RouteProblem {
  readonly host: string;
  readonly path: string;
  readonly service: string;
  /** One clause. */
  readonly reason: string;
}

/** Immutable; unchanged routes and backends are the same objects as in the table before. */
export interface RouteTable {
  /** Of the catalog it was made from. */
  readonly revision: number;
  /** Sorted by host, then path; no two with the same. */
  readonly routes: readonly Route[];
  /** Ids of the machines and external nodes that are there: what runs on others is lost. */
  readonly machines: readonly string[];
  readonly problems: readonly RouteProblem[];
}

export const NO_ROUTES: RouteTable = { revision: 0, routes: [], machines: [], problems: [] };

/** Names a route among all. */
export function routeKey({ host, path }: Pick<Route, 'host' | 'path'>): string {
  return host + path;
}
