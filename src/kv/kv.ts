/**
 * Consul's key-value pairs, locks and sessions, kept in the store. Revisions of the store are the indexes that Consul's
 * clients see. Every method rejects with FlotillaError `unavailable` while the store cannot be reached.
 */
export interface Kv {
  /** Does all the operations in one commit, or none: then every one that failed says why. */
  transact(operations: readonly KvOperation[]): Promise<KvOutcome>;
  /** The pair of a key, or undefined, and how far the store was then. */
  get(key: string): Promise<{ readonly pair: KvPair | undefined; readonly revision: number }>;
  /** All pairs whose key begins with `prefix`, by key; rejects with `too-large` when they are too much for one response. */
  list(prefix: string): Promise<{ readonly pairs: readonly KvPair[]; readonly revision: number }>;
  /** The keys that begin with `prefix`, in order, and when each last changed. */
  keys(prefix: string): Promise<{
    readonly keys: readonly { readonly key: string; readonly modifyIndex: number }[];
    readonly revision: number;
  }>;
  readonly sessions: Sessions;
  /** Changes of keys, for those who wait for one: `{ key }` or `{ prefix }`, or those of sessions. */
  readonly changes: KvChanges;
}

export interface KvPair {
  readonly key: string;
  /** Base64. */
  readonly value: string;
  /** Unsigned, 64 bits. */
  readonly flags: bigint;
  /** How often the key has been locked. */
  readonly lockIndex: number;
  /** The session that holds the lock. */
  readonly session?: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

type Keyed<Verb extends string> = { readonly verb: Verb; readonly key: string };
type Valued<Verb extends string> = Keyed<Verb> & { readonly value: string; readonly flags: bigint };

/** What can be done to a key; `value` is base64. */
export type KvOperation =
  | Valued<'set'>
  | (Valued<'cas'> & { readonly index: number })
  | (Valued<'lock'> & { readonly session: string })
  | (Valued<'unlock'> & { readonly session: string })
  | Keyed<'get' | 'get-tree' | 'check-not-exists' | 'delete' | 'delete-tree'>
  | (Keyed<'check-index' | 'delete-cas'> & { readonly index: number })
  | (Keyed<'check-session'> & { readonly session: string });

/** `refused`: the state is not what the operation asked for. `invalid`: it cannot be done in any state of this key. */
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
  /** The machine whose failure ends the session. */
  readonly machine: string;
  readonly checks: readonly string[];
  readonly behavior: SessionBehavior;
  /** How long nobody may lock what the session held when it ended, in milliseconds. */
  readonly lockDelayMs: number;
  /** How long it lives without being renewed, in milliseconds; 0: as long as its machine and checks. */
  readonly ttlMs: number;
}

export interface Session extends NewSession {
  readonly id: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

export interface Sessions {
  /** Answers the id, a UUID. */
  create(session: NewSession): Promise<string>;
  get(id: string): Promise<{ readonly session: Session | undefined; readonly revision: number }>;
  list(): Promise<{ readonly sessions: readonly Session[]; readonly revision: number }>;
  /** Gives the session its full time again; undefined when it has ended. */
  renew(id: string): Promise<Session | undefined>;
  /** Ends a session, and gives up what it held; one that is not there is no error. */
  destroy(id: string): Promise<void>;
  /**
   * Ends sessions whose machine or checks have failed, and gives up what sessions that have ended held. `judge` is asked once
   * the sessions have been read: what it judges by must not be older. Answers how many sessions there are left.
   */
  sweep(judge: () => Promise<(session: Session) => boolean>): Promise<number>;
  /** Calls `onChange` after each change of a session or a lock, until the signal aborts; once at the beginning. */
  watch(onChange: () => void, signal: AbortSignal): void;
}

/** What somebody waits for: one key, all keys with a prefix, or any session. */
export type KvArea = { readonly key: string } | { readonly prefix: string } | { readonly sessions: true };

export interface KvChanges {
  /** Revision of the last change in the area that this machine knows of, at least that from which on it knows of any. */
  lastChange(area: KvArea): Promise<number>;
  /** Resolves when something in the area has changed after the revision, or the signal has aborted. */
  wait(area: KvArea, after: number, signal: AbortSignal): Promise<void>;
}
