/** The catalog: which instances of which services answer where, and how healthy they are. Everybody's view is the same. */

export type Health = 'passing' | 'warning' | 'critical';

/** One check of an instance, as last seen by the machine that owns it. */
export interface ServiceCheck {
  /** Unique on its machine, e.g. `service:web-1`. */
  readonly id: string;
  readonly name: string;
  /** `http`, `https`, `tcp`, `grpc`, `script`, `ttl`. */
  readonly type: string;
  readonly status: Health;
  /** What the check said last; at most 4 KB. */
  readonly output: string;
  readonly notes: string;
}

/** Hosts and paths for which the router sends requests to an instance; see [X-Service] Host= and Path=. */
export interface RouteRule {
  /** Lower-case host, `*.` at the start stands for any one label; absent: the service's own name, `NAME.*`. */
  readonly host?: string;
  /** Prefix of the path, beginning with `/`; `/` when absent. */
  readonly path?: string;
}

/** One place where a service answers. Written by the fleetd of its machine, under that machine's lease. */
export interface ServiceInstance {
  /** Machine id. */
  readonly machine: string;
  /** Unique on its machine. */
  readonly id: string;
  /** The service's name. */
  readonly name: string;
  /** IP address. */
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly weights: { readonly passing: number; readonly warning: number };
  readonly enableTagOverride: boolean;
  /** What registered it. */
  readonly source: 'unit' | 'container' | 'api';
  /** The unit behind it, where one is known. */
  readonly unit?: string;
  readonly routes: readonly RouteRule[];
  readonly checks: readonly ServiceCheck[];
}

/** A machine of the cluster as a place where services run. */
export interface CatalogNode {
  /** Machine id. */
  readonly id: string;
  /** Name in Consul's API and in DNS: the machine's host name, made unique within the cluster. */
  readonly name: string;
  readonly address: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** An instance as the catalog holds it. */
export interface CatalogInstance extends ServiceInstance {
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** One consistent state of the catalog. Immutable; unchanged parts are the same objects as in the state before. */
export interface CatalogSnapshot {
  /** Revision of the latest change to anything in it; at least 1. */
  readonly revision: number;
  readonly nodes: ReadonlyMap<string, CatalogNode>;
  /** Instances by service name, each list sorted by node name, then id. A service without instances is absent. */
  readonly services: ReadonlyMap<string, readonly CatalogInstance[]>;
  /** Revision of the latest change to one service, its disappearance included; 1 for one that was never there. */
  revisionOf(service: string): number;
}

export interface Catalog {
  /** The latest state this machine knows. */
  readonly snapshot: CatalogSnapshot;
  /** Calls back after every change; answers the function that ends this. */
  onChange(listener: (snapshot: CatalogSnapshot) => void): () => void;
  /** Resolves once the snapshot holds everything written before the call; rejects when the store does not answer. */
  sync(signal?: AbortSignal): Promise<void>;
}

/** The worst status of an instance's checks; passing when it has none. */
export function healthOf(instance: Pick<ServiceInstance, 'checks'>): Health {
  const statuses = instance.checks.map(({ status }) => status);
  return statuses.includes('critical') ? 'critical' : statuses.includes('warning') ? 'warning' : 'passing';
}
