/**
 * The part of etcd v3 that Flotilla uses. Keys and values are UTF-8 strings; keys are ordered by bytes. Revisions are
 * the store's own: one per commit that writes, shared by all keys.
 */
export interface Store {
  /**
   * Lists the entries of `range` at one revision, by key. Linearizable: sees every commit acknowledged before the call.
   */
  list(range: Range, options?: ListOptions): Promise<Listing>;
  /** Reads one entry if it exists; linearizable. */
  get(key: string): Promise<Entry | undefined>;
  /**
   * Reads up to a few thousand keys; those that do not exist are left out. One revision, if the keys fit one request
   * (128) and their entries one response (32 MB from the embedded store).
   */
  getMany(keys: readonly string[]): Promise<Entry[]>;
  /** Returns the current revision; linearizable. */
  revision(): Promise<number>;
  /**
   * Applies all writes in one revision if every condition holds, else none. At most MAX_COMMIT_WRITES writes.
   * Rejects when the outcome is unknown (connection lost): the commit may or may not have happened; callers re-read.
   */
  commit(conditions: readonly Condition[], writes: readonly Write[]): Promise<CommitResult>;
  /**
   * Watches `range` from the revision behind `after`: every change in order, whole revisions at a time, none lost and
   * none twice, across reconnections. Ends when the signal aborts. Throws FlotillaError `compacted` when the store has
   * lost the revisions asked for, or (restored from a backup) has not reached them: list again and watch from there.
   */
  watch(range: Range, after: number, signal: AbortSignal): Watch;
  /** Grants a lease and keeps it alive until revoked or lost. `ttlMs` is rounded up to whole seconds. */
  lease(ttlMs: number): Promise<Lease>;
  /** Resumes a lease of an earlier process of this machine; undefined when it has ended. */
  resumeLease(id: string): Promise<Lease | undefined>;
  /** Grants a lease that expires unless `renewLease` is called in time; returns its id. */
  grantLease(ttlMs: number): Promise<string>;
  /** Restarts a lease's time to live, once; returns false when it has ended. */
  renewLease(id: string): Promise<boolean>;
  /** Revokes a lease that no process keeps alive; a lease that does not exist is no error. */
  revokeLease(id: string): Promise<void>;
  /** Closes connections. Watches end; leases are not kept alive any more but not revoked either. */
  close(): Promise<void>;
}

/** Limit of writes, and of conditions, in one commit; etcd's default --max-txn-ops. */
export const MAX_COMMIT_WRITES = 128;

/** Keys from `from` up to and excluding `to`. */
export interface Range {
  readonly from: string;
  readonly to: string;
}

const LAST_CODE_POINT = 0x10ffff;

/**
 * Returns the range of all keys that begin with `prefix`, which must have a character other than the last of Unicode.
 */
export function prefixRange(prefix: string): Range {
  const points = [...prefix].map((character) => character.codePointAt(0)!);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop()!;
  // UTF-8 has no surrogates: U+E000 follows U+D7FF.
  return { from: prefix, to: String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1) };
}

export interface ListOptions {
  /** Read at this revision; throws `compacted` when the store has lost it. */
  readonly revision?: number;
  /** Limit of entries; fewer are returned, with `more`, when they exceed one response of the store. */
  readonly limit?: number;
  /** Leave the values empty. */
  readonly keysOnly?: boolean;
}

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Id of the lease to which the key is attached (decimal); absent when none. */
  readonly lease?: string;
}

export interface Listing {
  readonly entries: readonly Entry[];
  /** The store's revision when the list was read. */
  readonly revision: number;
  /** True when the list was cut at the limit. */
  readonly more: boolean;
}

/**
 * `createRevision: 0`: the key does not exist. `unchangedSince`: no key of the range was written after that revision
 * (deletions do not count).
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

/** The changes of the watched range up to and including `revision`, since the previous batch. */
export interface WatchBatch {
  readonly revision: number;
  /** Empty for a response to `requestProgress`. */
  readonly events: readonly WatchEvent[];
}

export interface Watch extends AsyncIterable<WatchBatch> {
  /** Requests a batch (possibly empty) that states how far the watch has got; views catch up by it. */
  requestProgress(): void;
}

export interface Lease {
  /** Decimal. */
  readonly id: string;
  readonly ttlMs: number;
  /**
   * Aborts when the lease has ended or may have ended: one TTL after the last confirmed keep-alive was sent, by this
   * process's monotonic clock, at the latest; also when the store was set back to an earlier time. The holder must give
   * up what the lease guards by then.
   */
  readonly lost: AbortSignal;
  /** Returns the monotonic time at which the lease counts as lost unless another keep-alive is confirmed. */
  deadline(): number;
  /** Revokes the lease; its keys are deleted in one revision. */
  revoke(): Promise<void>;
}
