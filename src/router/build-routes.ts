import { isIP } from 'node:net';
import { compareText } from '../lib/index.ts';
import { type CatalogInstance, type CatalogSnapshot, healthOf, type RouteRule } from '../services/index.ts';
import { compareRoutes } from './route-order.ts';
import { type Backend, originOf, type Route, type RouteProblem, type RouteTable, routeKey } from './route-table.ts';

/** The tag by which a service gets the host `NAME.*`. */
const ROUTED_TAG = 'http';
const MAX_HOST_LENGTH = 253;
/** A path and its surroundings must fit into one word of nginx's configuration, which has at most 4,096 bytes. */
const MAX_PATH_LENGTH = 1024;
/** The largest weight of an SRV record (RFC 2782), and of most clients of the catalog. */
const MAX_WEIGHT = 65_535;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const LABEL_OF_ADDRESS = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/i;
/** Paths made of characters that no data plane needs to escape. */
const PATH = /^\/[\w\-.~!$&'()*+,;=:@/%]*$/;

interface Claim {
  readonly host: string;
  readonly path: string;
  readonly service: string;
  readonly instances: CatalogInstance[];
}

/**
 * Derives the routes from the catalog. A service tagged `http` gets the host `NAME.*`, a service with rules the hosts
 * and paths of its rules. Critical instances get no requests. When two services claim the same host and path, the name
 * that sorts first wins, so that all machines agree. Parts that equal those in `before` are the same objects, up to the
 * whole table.
 */
export function buildRoutes(snapshot: CatalogSnapshot, before?: RouteTable): RouteTable {
  const problems: RouteProblem[] = [];
  const claims = new Map<string, Claim>();
  for (const service of [...snapshot.services.keys()].sort(compareText)) {
    for (const claim of claimsOf(service, snapshot.services.get(service)!)) admit(claim, claims, problems);
  }
  const known = new Map(before?.routes.map((route) => [routeKey(route), route]));
  const backendOf = once((instance: CatalogInstance) => backendFrom(instance, snapshot));
  const routes = [...claims]
    .map(([key, claim]) => settle(routeOf(claim, backendOf), known.get(key)))
    .sort(compareRoutes);
  const machines = [...snapshot.nodes.keys()].sort(compareText);
  const table: RouteTable = { revision: snapshot.revision, routes, machines, problems };
  return before !== undefined && isSame(before, table) ? before : table;
}

/** Groups the instances of a service by the host and path that they claim. */
function claimsOf(service: string, instances: readonly CatalogInstance[]): Iterable<Claim> {
  const claims = new Map<string, Claim>();
  for (const instance of instances) {
    for (const { host = `${service.toLowerCase()}.*`, path = '/' } of rulesOf(instance)) {
      const key = routeKey({ host, path });
      const claim = claims.get(key) ?? { host, path, service, instances: [] };
      if (claim.instances.at(-1) !== instance) claim.instances.push(instance);
      claims.set(key, claim);
    }
  }
  return claims.values();
}

/** Returns the rules of an instance, and one for `NAME.*` if it is tagged `http` and each of its rules names a host. */
function rulesOf({ routes, tags }: CatalogInstance): readonly RouteRule[] {
  const ownName = tags.includes(ROUTED_TAG) && routes.every(({ host }) => host !== undefined);
  return ownName ? [{}, ...routes] : routes;
}

function admit(claim: Claim, claims: Map<string, Claim>, problems: RouteProblem[]): void {
  const { host, path, service } = claim;
  const key = routeKey(claim);
  const holder = claims.get(key);
  const reason = holder === undefined ? flawOf(claim) : `${holder.service} has that host and path already`;
  if (reason === undefined) claims.set(key, claim);
  else problems.push({ host, path, service, reason });
}

/** True for a host name, also with `*` as its first label or as its end. */
function isHostPattern(host: string): boolean {
  return isHostName(host.startsWith('*.') ? host.slice(2) : host.endsWith('.*') ? host.slice(0, -2) : host);
}

function isHostName(name: string, label = LABEL): boolean {
  return name.split('.').every((part) => label.test(part));
}

/** Returns the reason why a claim can match no request or must not be written into another program's configuration. */
function flawOf({ host, path }: Claim): string | undefined {
  if (host.length > MAX_HOST_LENGTH || !isHostPattern(host)) return 'that is not a host name';
  if (path.length > MAX_PATH_LENGTH)
    return `that path is longer than ${MAX_PATH_LENGTH} characters: route a shorter one`;
  return PATH.test(path) ? undefined : 'that is not a path: it begins with / and has no spaces';
}

function routeOf(
  { host, path, service, instances }: Claim,
  backendOf: (instance: CatalogInstance) => Backend[],
): Route {
  return { host, path, service, backends: instances.flatMap(backendOf) };
}

/** Converts the instance to a backend; returns an empty list when it takes no requests. */
function backendFrom(instance: CatalogInstance, { nodes }: CatalogSnapshot): Backend[] {
  const health = healthOf(instance);
  const { machine, port } = instance;
  const address = instance.address || nodes.get(machine)?.address || '';
  if (health === 'critical' || !canBeAsked(address, port)) return [];
  const weight = Math.min(MAX_WEIGHT, Math.max(1, Math.round(instance.weights[health])));
  return [{ id: `${machine}/${instance.id}`, machine, address, port, weight }];
}

/** Memoises `make`: one instance may have a thousand routes. */
function once<K, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const known = made.get(key) ?? make(key);
    made.set(key, known);
    return known;
  };
}

/**
 * False for an address to which no request can go. Third parties may register anything, and one such instance must not
 * keep a data plane from taking the others.
 */
function canBeAsked(address: string, port: number): boolean {
  return (
    port > 0 &&
    (isIP(address) !== 0 || isHostName(address.replace(/\.$/, ''), LABEL_OF_ADDRESS)) &&
    URL.canParse(originOf({ address, port }))
  );
}

/** Returns `route` with every part that equals one of `before` replaced by the old object. */
function settle(route: Route, before: Route | undefined): Route {
  if (before === undefined) return route;
  const known = new Map(before.backends.map((backend) => [backend.id, backend]));
  const backends = route.backends.map((backend) => {
    const old = known.get(backend.id);
    return old !== undefined && isSameBackend(old, backend) ? old : backend;
  });
  const same = before.service === route.service && areSame(before.backends, backends);
  return same ? before : { ...route, backends };
}

function isSameBackend(a: Backend, b: Backend): boolean {
  return a.address === b.address && a.port === b.port && a.weight === b.weight;
}

function isSame(a: RouteTable, b: RouteTable): boolean {
  const problems = (table: RouteTable) => JSON.stringify(table.problems);
  return areSame(a.routes, b.routes) && areSame(a.machines, b.machines) && problems(a) === problems(b);
}

function areSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
