/**
 * Consul's key-value pairs, locks and sessions, kept in the store. Revisions of the store are the indexes that Consul's
 * clients see. Every method rejects with FlotillaError `unavailable` while the store cannot be reached.
 */
export interface Kv {
  /**
   * Does all operations in one commit, or none of them; the outcome then lists every operation that failed, with its
   * reason.
   */
  transact(operations: readonly KvOperation[]): Promise<KvOutcome>;
  /** Reads the pair of a key, if it exists, and the store's revision at that moment. */
  get(key: string): Promise<{ readonly pair: KvPair | undefined; readonly revision: number }>;
  /** Lists the pairs whose key begins with `prefix`, by key; rejects with `too-large` when they exceed one response. */
  list(prefix: string): Promise<{ readonly pairs: readonly KvPair[]; readonly revision: number }>;
  /** Lists the keys that begin with `prefix`, in order, with the revision of their last change. */
  keys(prefix: string): Promise<{
    readonly keys: readonly { readonly key: string; readonly modifyIndex: number }[];
    readonly revision: number;
  }>;
  readonly sessions: Sessions;
  /** Tells blocking queries of changes: of one key, of a prefix, or of sessions. */
  readonly changes: KvChanges;
}

export interface KvPair {
  readonly key: string;
  /** Base64. */
  readonly value: string;
  /** Unsigned, 64 bits. */
  readonly flags: bigint;
  /** The number of times the key has been locked. */
  readonly lockIndex: number;
  /** The id of the session that holds the lock. */
  readonly session?: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

type Keyed<Verb extends string> = { readonly verb: Verb; readonly key: string };
type Valued<Verb extends string> = Keyed<Verb> & { readonly value: string; readonly flags: bigint };

/** One operation on a key; `value` is base64. */
export type KvOperation =
  | Valued<'set'>
  | (Valued<'cas'> & { readonly index: number })
  | (Valued<'lock'> & { readonly session: string })
  | (Valued<'unlock'> & { readonly session: string })
  | Keyed<'get' | 'get-tree' | 'check-not-exists' | 'delete' | 'delete-tree'>
  | (Keyed<'check-index' | 'delete-cas'> & { readonly index: number })
  | (Keyed<'check-session'> & { readonly session: string });

/** `refused`: the state of the key forbids the operation. `invalid`: no state of the key would permit it. */
export interface KvFailure {
  readonly operation: number;
  readonly kind: 'refused' | 'invalid';
  readonly message: string;
}

export type KvOutcome =
  | { readonly ok: true; readonly pairs: readonly KvPair[] }
  | { readonly ok: false; readonly failures: readonly KvFailure[] };

export type SessionBehavior = 'release' | 'delete';

export interface NewSession {
  readonly name: string;
  /** The id of the machine whose failure ends the session. */
  readonly machine: string;
  readonly checks: readonly string[];
  readonly behavior: SessionBehavior;
  /** The time, in milliseconds, during which nobody may lock the keys that the session held when it ended. */
  readonly lockDelayMs: number;
  /**
   * The time, in milliseconds, after which the session ends unless it is renewed; 0: it ends with its machine or checks
   * only.
   */
  readonly ttlMs: number;
}

export interface Session extends NewSession {
  readonly id: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

export interface Sessions {
  /** Returns the id, a UUID. */
  create(session: NewSession): Promise<string>;
  get(id: string): Promise<{ readonly session: Session | undefined; readonly revision: number }>;
  list(): Promise<{ readonly sessions: readonly Session[]; readonly revision: number }>;
  /** Restarts the session's time to live; resolves with undefined when the session has ended. */
  renew(id: string): Promise<Session | undefined>;
  /** Ends a session and releases its locks; a session that does not exist is no error. */
  destroy(id: string): Promise<void>;
  /**
   * Ends sessions whose machine or checks have failed and releases the locks of ended sessions. Calls `judge` after it
   * has read the sessions, since the facts to judge by must not be older than these. Returns the number of remaining
   * sessions.
   */
  sweep(judge: () => Promise<(session: Session) => boolean>): Promise<number>;
  /** Calls `onChange` at once and after each change of a session or a lock, until the signal aborts. */
  watch(onChange: () => void, signal: AbortSignal): void;
}

/** The subject of a blocking query: one key, all keys with a prefix, or all sessions. */
export type KvArea = { readonly key: string } | { readonly prefix: string } | { readonly sessions: true };

export interface KvChanges {
  /**
   * Returns the revision of the last known change in the area; at least the revision at which this machine began to
   * watch.
   */
  lastChange(area: KvArea): Promise<number>;
  /** Resolves when the area has changed after the revision, or when the signal aborts. */
  wait(area: KvArea, after: number, signal: AbortSignal): Promise<void>;
}
