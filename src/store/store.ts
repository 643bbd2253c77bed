/**
 * What Flotilla needs of etcd v3, and all it may use. Keys and values are UTF-8 strings; keys are ordered by bytes.
 * Revisions are the store's own: one per commit that writes, shared by all keys.
 */
export interface Store {
  /** All entries of `range` at one revision, by key. Linearizable: sees every commit acknowledged before the call. */
  list(range: Range, options?: ListOptions): Promise<Listing>;
  /** One entry, or undefined; linearizable. */
  get(key: string): Promise<Entry | undefined>;
  /**
   * The entries of up to a few thousand keys that exist, in one revision when they fit one request (128 keys) and one response
   * (32 MB from the embedded store).
   */
  getMany(keys: readonly string[]): Promise<Entry[]>;
  /** The current revision, by a header-only linearizable read. */
  revision(): Promise<number>;
  /**
   * Applies all writes in one revision if every condition holds, else none. At most MAX_COMMIT_WRITES writes.
   * Rejects when the outcome is unknown (connection lost): the commit may or may not have happened; callers re-read.
   */
  commit(conditions: readonly Condition[], writes: readonly Write[]): Promise<CommitResult>;
  /**
   * Every change of `range` after revision `after`, in order, whole revisions at a time, none lost and none twice, over
   * reconnections. Ends when the signal aborts. Throws FlotillaError `compacted` when the store no longer has the
   * revisions asked for, or (restored from a backup) has not got as far: list again and watch from there.
   */
  watch(range: Range, after: number, signal: AbortSignal): Watch;
  /** Grants a lease and keeps it alive until revoked or lost. `ttlMs` is rounded up to whole seconds. */
  lease(ttlMs: number): Promise<Lease>;
  /** Takes up a lease that an earlier process of this machine held; undefined when it has ended. */
  resumeLease(id: string): Promise<Lease | undefined>;
  /** Grants a lease that ends by itself unless `renewLease` is called in time; returns its id. */
  grantLease(ttlMs: number): Promise<string>;
  /** Gives a lease its full time again, once; false when it has ended. */
  renewLease(id: string): Promise<boolean>;
  /** Ends a lease that nobody keeps any more; one that is not there is no error. */
  revokeLease(id: string): Promise<void>;
  /** Closes connections; watches end, leases stop being kept alive but are not revoked. */
  close(): Promise<void>;
}

/** Most writes (and most conditions) in one commit; etcd's default --max-txn-ops. */
export const MAX_COMMIT_WRITES = 128;

/** Keys from `from` up to, not including, `to`. */
export interface Range {
  readonly from: string;
  readonly to: string;
}

const LAST_CODE_POINT = 0x10ffff;

/** The range of all keys which start with `prefix`, which holds at least one character that is not the last there is. */
export function prefixRange(prefix: string): Range {
  const points = [...prefix].map((character) => character.codePointAt(0)!);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop()!;
  // Surrogates are no characters: behind U+D7FF comes U+E000.
  return { from: prefix, to: String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1) };
}

export interface ListOptions {
  /** Read as of this revision; throws `compacted` when it is gone. */
  readonly revision?: number;
  /** At most so many entries; fewer, with `more`, where so many are too large for one response of the store. */
  readonly limit?: number;
  /** Values come back empty. */
  readonly keysOnly?: boolean;
}

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Id of the lease the key is attached to (decimal), absent when none. */
  readonly lease?: string;
}

export interface Listing {
  readonly entries: readonly Entry[];
  /** The store's revision when the list was read. */
  readonly revision: number;
  /** True when `limit` cut the list. */
  readonly more: boolean;
}

/**
 * `createRevision: 0` means that the key does not exist. `unchangedSince`: no key of the range was written after that
 * revision (it does not tell of deletions).
 */
export type Condition =
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly lease: string }
  | { readonly range: Range; readonly unchangedSince: number };

export type Write =
  | { readonly put: string; readonly value: string; readonly lease?: string }
  | { readonly delete: string }
  | { readonly deleteRange: Range };

export type CommitResult =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly revision: number };

export type WatchEvent =
  | { readonly type: 'put'; readonly entry: Entry; readonly previous?: Entry }
  | { readonly type: 'delete'; readonly key: string; readonly modRevision: number; readonly previous?: Entry };

/** Everything that happened in the watched range up to and including `revision`, since the batch before. */
export interface WatchBatch {
  readonly revision: number;
  /** Empty for an answer to `requestProgress`. */
  readonly events: readonly WatchEvent[];
}

export interface Watch extends AsyncIterable<WatchBatch> {
  /** Asks for a batch (possibly empty) that tells how far the watch has got; a view catches up by this. */
  requestProgress(): void;
}

export interface Lease {
  /** Decimal. */
  readonly id: string;
  readonly ttlMs: number;
  /**
   * Aborted when the lease has ended or may have ended: at the latest one TTL after the sending of the last keep-alive
   * that was acknowledged, by this process's own monotonic clock; also when the store was set back to a time before it.
   * What it guarded must be given up by then.
   */
  readonly lost: AbortSignal;
  /** Monotonic time (Clock.monotonic) at which the lease counts as lost unless another keep-alive is acknowledged. */
  deadline(): number;
  /** Ends the lease now; its keys vanish in one revision. */
  revoke(): Promise<void>;
}
