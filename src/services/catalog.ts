import type { NodeCheck, ServiceInstance } from '../model/index.ts';

export type { Health, NodeCheck, RouteRule, ServiceCheck, ServiceInstance } from '../model/index.ts';
export { healthOf } from '../model/index.ts';

/** A computer on which services run: a machine of the cluster, or an external node. */
export interface CatalogNode {
  /** The id of the machine or of the external node. */
  readonly id: string;
  readonly kind: 'machine' | 'external';
  /** Name in Consul's API and in DNS: a machine's host name, made unique within the cluster. */
  readonly name: string;
  /** The UUID that Consul's clients expect; empty for an external node that was registered without one. */
  readonly uuid: string;
  /** An IP address; an external node may have a host name instead. */
  readonly address: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** An instance as the catalog holds it. */
export interface CatalogInstance extends ServiceInstance {
  /** The checks of its node, which count for each instance there; absent when there are none. */
  readonly nodeChecks?: readonly CatalogCheck[];
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** A check with a record of its own, as the catalog holds it. */
export interface CatalogCheck extends NodeCheck {
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** One consistent state of the catalog. Immutable; unchanged parts are the same objects as in the state before. */
export interface CatalogSnapshot {
  /** The revision of the latest change in the catalog; at least 1. */
  readonly revision: number;
  /** Nodes by id, in the order of their names; they include that of every instance. */
  readonly nodes: ReadonlyMap<string, CatalogNode>;
  /** Instances by service name, each list sorted by node name, then id. A service without instances is absent. */
  readonly services: ReadonlyMap<string, readonly CatalogInstance[]>;
  /** The checks of a node as a whole, by its id, besides its presence; sorted by id. */
  nodeChecksOf(node: string): readonly CatalogCheck[];
  /** Returns the revision of the latest change to one service, or of its disappearance; 1 for one that never was. */
  revisionOf(service: string): number;
  /** Returns the revision of the latest change to a node, its instances or checks; `revision` for an unknown node. */
  revisionOfNode(node: string): number;
}

/** The catalog of services as one machine knows it: their instances, where they are, and their health. */
export interface Catalog {
  /** The latest state this machine knows. */
  readonly snapshot: CatalogSnapshot;
  /** Calls the function after every change. Returns the unsubscribe. */
  onChange(listener: (snapshot: CatalogSnapshot) => void): () => void;
  /** Resolves once the snapshot holds everything written before the call; rejects when the store does not respond. */
  sync(signal?: AbortSignal): Promise<void>;
}
