import type { NodeCheck, ServiceInstance } from '../model/index.ts';

export type { Health, NodeCheck, RouteRule, ServiceCheck, ServiceInstance } from '../model/index.ts';
export { healthOf } from '../model/index.ts';

/** A place where services run: a machine of the cluster, or a computer without fleetd that somebody registered. */
export interface CatalogNode {
  /** Machine id, or that of an external node. */
  readonly id: string;
  readonly kind: 'machine' | 'external';
  /** Name in Consul's API and in DNS: a machine's host name, made unique within the cluster. */
  readonly name: string;
  /** As Consul's clients expect it; empty for an external node whose registrar said none. */
  readonly uuid: string;
  /** IP address; of an external node, perhaps a host name. */
  readonly address: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** An instance as the catalog holds it. */
export interface CatalogInstance extends ServiceInstance {
  /** Those of its node, which count for each instance there; absent: there are none. */
  readonly nodeChecks?: readonly CatalogCheck[];
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** A check that stands by itself, as the catalog holds it. */
export interface CatalogCheck extends NodeCheck {
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** One consistent state of the catalog. Immutable; unchanged parts are the same objects as in the state before. */
export interface CatalogSnapshot {
  /** Revision of the latest change to anything in it; at least 1. */
  readonly revision: number;
  /** By id, in the order of their names; the node of every instance is here. */
  readonly nodes: ReadonlyMap<string, CatalogNode>;
  /** Instances by service name, each list sorted by node name, then id. A service without instances is absent. */
  readonly services: ReadonlyMap<string, readonly CatalogInstance[]>;
  /** The checks of a node as a whole, by its id, besides its presence; sorted by id. */
  nodeChecksOf(node: string): readonly CatalogCheck[];
  /** Revision of the latest change to one service, its disappearance included; 1 for one that was never there. */
  revisionOf(service: string): number;
  /** Revision of the latest change to a node, its instances or checks; that of everything for a node that is not there. */
  revisionOfNode(node: string): number;
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
