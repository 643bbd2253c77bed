import type { ExternalNode, Machine, NodeCheck, Placement, ServiceInstance, Unit, UnitStatus } from '../model/index.ts';
import type { WatchEvent } from '../store/index.ts';

/** By unit name, then by machine id. */
export type ByUnit<T> = ReadonlyMap<string, ReadonlyMap<string, T>>;

/** The leader, as it recorded itself. */
export interface Leader {
  readonly machine: string;
  /** Milliseconds since 1970 at which it was elected. */
  readonly sinceMs: number;
}

/**
 * The cluster at one revision: never torn, since all of it comes from one watched range. The maps are live and change
 * between turns of the event loop: read them before the next `await`.
 */
export interface Snapshot {
  readonly revision: number;
  readonly units: ReadonlyMap<string, Unit>;
  /** Present machines, metadata overrides merged in. */
  readonly machines: ReadonlyMap<string, Machine>;
  readonly placements: ByUnit<Placement>;
  /** Empty in views that do not include statuses. */
  readonly statuses: ByUnit<UnitStatus>;
  readonly leader?: Leader;
}

/** One difference between two snapshots. `before` absent: new. `after` absent: gone. */
export type Change =
  | { readonly kind: 'unit'; readonly name: string; readonly before?: Unit; readonly after?: Unit }
  | { readonly kind: 'machine'; readonly id: string; readonly before?: Machine; readonly after?: Machine }
  | {
      readonly kind: 'placement';
      readonly unit: string;
      readonly machine: string;
      readonly before?: Placement;
      readonly after?: Placement;
    }
  | {
      readonly kind: 'status';
      readonly unit: string;
      readonly machine: string;
      readonly before?: UnitStatus;
      readonly after?: UnitStatus;
    }
  | { readonly kind: 'leader'; readonly before?: Leader; readonly after?: Leader };

/** A record with the revisions in which it was created and last written. */
export type Revised<T> = T & { readonly createRevision: number; readonly modifyRevision: number };

/** The records behind the catalog of services; its maps are live, as those of a Snapshot are. */
export interface CatalogRecords {
  readonly revision: number;
  /** Present machines by id, metadata overrides merged in; the revisions are those of the machine's own record. */
  readonly machines: ReadonlyMap<string, Revised<Machine>>;
  /** By id. */
  readonly externals: ReadonlyMap<string, Revised<ExternalNode>>;
  /** By the id of the machine or external node, then by the instance's own id. */
  readonly instances: ReadonlyMap<string, ReadonlyMap<string, Revised<ServiceInstance>>>;
  /** Checks that belong to no instance: by the id of the machine or external node, then by their own. */
  readonly checks: ReadonlyMap<string, ReadonlyMap<string, Revised<NodeCheck>>>;
}

export type CatalogChange =
  | (Difference<Machine> & { readonly kind: 'machine'; readonly id: string })
  | (Difference<ExternalNode> & { readonly kind: 'external'; readonly id: string })
  | (Difference<ServiceInstance> & { readonly kind: 'instance'; readonly node: string; readonly id: string })
  | (Difference<NodeCheck> & { readonly kind: 'check'; readonly node: string; readonly id: string });

interface Difference<T> {
  readonly before?: Revised<T>;
  readonly after?: Revised<T>;
}

/** Certificates by name, each with its chain and key in PEM, live as a Snapshot's maps. */
export interface CertificateRecords {
  readonly revision: number;
  readonly certificates: ReadonlyMap<string, string>;
}

export interface CertificateChange {
  readonly kind: 'certificate';
  readonly name: string;
}

/** The changes of one or more whole revisions, in order; `revision` is the last of them. */
export interface ChangeBatch<C = Change> {
  readonly revision: number;
  readonly changes: readonly C[];
  /** The store's own events, each with what it changed, if anything; absent when the range had to be listed again. */
  readonly steps?: readonly { readonly event: WatchEvent; readonly change: C | undefined }[];
}

/** A watch-fed copy of a part of the cluster. */
export interface View<S = Snapshot, C = Change> {
  /** The newest state this view has seen. */
  readonly snapshot: S;
  /** Returns the snapshot once it holds everything that any client wrote before the call. */
  sync(): Promise<S>;
  /** Calls `fn` after every batch, synchronously with the snapshot already updated. Returns the unsubscribe. */
  onChange(fn: (batch: ChangeBatch<C>) => void): () => void;
  close(): void;
}
