import type { ServiceInstance } from '../model/index.ts';

export type { Health, RouteRule, ServiceCheck, ServiceInstance } from '../model/index.ts';
export { healthOf } from '../model/index.ts';

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
  /** By machine id; the machine of every instance is here. */
  readonly nodes: ReadonlyMap<string, CatalogNode>;
  /** Instances by service name, each list sorted by node name, then id. A service without instances is absent. */
  readonly services: ReadonlyMap<string, readonly CatalogInstance[]>;
  /** Revision of the latest change to one service, its disappearance included; 1 for one that was never there. */
  revisionOf(service: string): number;
}

/** Which instances of which services answer where, and how healthy they are. Everybody's view is the same. */
export interface Catalog {
  /** The latest state this machine knows. */
  readonly snapshot: CatalogSnapshot;
  /** Calls back after every change; answers the function that ends this. */
  onChange(listener: (snapshot: CatalogSnapshot) => void): () => void;
  /** Resolves once the snapshot holds everything written before the call; rejects when the store does not answer. */
  sync(signal?: AbortSignal): Promise<void>;
}
