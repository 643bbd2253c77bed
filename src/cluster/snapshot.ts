import type { Machine, Placement, Unit, UnitStatus } from '../model/index.ts';

/** By unit name, then by machine id. */
export type ByUnit<T> = ReadonlyMap<string, ReadonlyMap<string, T>>;

/** Who leads, as the leader itself recorded it. */
export interface Leader {
  readonly machine: string;
  /** Milliseconds since 1970 at which it was elected. */
  readonly sinceMs: number;
}

/**
 * The cluster at one revision: never torn, since all of it comes from one watched range. The maps are live and change
 * between turns of the event loop: read what you need before the next `await`.
 */
export interface Snapshot {
  readonly revision: number;
  readonly units: ReadonlyMap<string, Unit>;
  /** Alive machines, metadata overrides merged in. */
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

/** Changes that one or more whole revisions made, in order; `revision` is the last of them. */
export interface ChangeBatch {
  readonly revision: number;
  readonly changes: readonly Change[];
  /** Milliseconds since 1970 at which it was written, or at the latest (nothing but deletions); in history only. */
  readonly atMs?: number;
}

/** A watch-fed copy of a part of the cluster. */
export interface View {
  /** The newest state this view has seen. */
  readonly snapshot: Snapshot;
  /** Catches up with the store first: what anybody wrote before the call is in the answer. */
  sync(): Promise<Snapshot>;
  /** Calls `fn` after every batch, synchronously with the snapshot already updated. Returns the unsubscribe. */
  onChange(fn: (batch: ChangeBatch) => void): () => void;
  close(): void;
}
