import type { KvFailure, KvOperation, KvPair } from './kv.ts';

/** The state that a transaction has read before it decides. */
export interface KvState {
  /** The pairs of all keys and trees that the operations name; a key without an entry does not exist. */
  readonly pairs: ReadonlyMap<string, KvPair>;
  /** The ids of the named sessions that exist. */
  readonly sessions: ReadonlySet<string>;
  /** Keys whose lock delay has not passed, so that nobody may lock them. */
  readonly delayed: ReadonlySet<string>;
}

export type Evaluation =
  | {
      readonly ok: true;
      /** The new value of every key that has changed; undefined: deleted. A new pair has no indexes yet. */
      readonly changes: ReadonlyMap<string, KvPair | undefined>;
      /** The pairs to respond with, in the order of the operations; `changes` holds their newest state. */
      readonly shown: readonly { readonly pair: KvPair; readonly withValue: boolean }[];
    }
  | { readonly ok: false; readonly failures: readonly KvFailure[] };

/** Applies the operations to the state one after the other, by Consul's rules. Pure. */
export function evaluate(operations: readonly KvOperation[], state: KvState): Evaluation {
  const work = new Work(state);
  const failures: KvFailure[] = [];
  operations.forEach((operation, index) => {
    const failed = work.apply(operation);
    if (failed) failures.push({ operation: index, ...failed });
  });
  if (failures.length > 0) return { ok: false, failures };
  return { ok: true, changes: work.changes(), shown: work.shown };
}

type Failed = Omit<KvFailure, 'operation'> | undefined;

function refused(message: string): Failed {
  return { kind: 'refused', message };
}

class Work {
  readonly #state: KvState;
  readonly #pairs: Map<string, KvPair>;
  readonly shown: { pair: KvPair; withValue: boolean }[] = [];

  constructor(state: KvState) {
    this.#state = state;
    this.#pairs = new Map(state.pairs);
  }

  changes(): ReadonlyMap<string, KvPair | undefined> {
    const keys = new Set([...this.#state.pairs.keys(), ...this.#pairs.keys()]);
    return new Map(
      [...keys].flatMap((key) => {
        const after = this.#pairs.get(key);
        return after === this.#state.pairs.get(key) ? [] : [[key, after] as const];
      }),
    );
  }

  apply(operation: KvOperation): Failed {
    const { key } = operation;
    const existing = this.#pairs.get(key);
    const name = JSON.stringify(key);
    if (key === '' && !operation.verb.endsWith('-tree')) return { kind: 'invalid', message: 'Must provide key' };
    switch (operation.verb) {
      case 'set':
        return this.#put(operation, existing?.session, existing?.lockIndex ?? 0);
      case 'cas': {
        const matches = operation.index === 0 ? !existing : existing?.modifyIndex === operation.index;
        if (!matches) return refused(`failed to set key ${name}, index is stale`);
        return this.#put(operation, existing?.session, existing?.lockIndex ?? 0);
      }
      case 'lock':
        return this.#lock(operation, existing);
      case 'unlock':
        if (operation.session === '') return { kind: 'invalid', message: 'missing session' };
        if (existing?.session !== operation.session)
          return refused(`failed to unlock key ${name}, lock isn't held, or is held by another session`);
        return this.#put(operation, undefined, existing.lockIndex);
      case 'delete':
        this.#pairs.delete(key);
        return undefined;
      case 'delete-cas':
        if (existing && existing.modifyIndex !== operation.index)
          return refused(`failed to delete key ${name}, index is stale`);
        this.#pairs.delete(key);
        return undefined;
      case 'delete-tree':
        for (const other of [...this.#pairs.keys()]) if (other.startsWith(key)) this.#pairs.delete(other);
        return undefined;
      default:
        return this.#read(operation, existing);
    }
  }

  #read(operation: KvOperation, existing: KvPair | undefined): Failed {
    const name = JSON.stringify(operation.key);
    switch (operation.verb) {
      case 'get':
        if (!existing) return refused(`key ${name} doesn't exist`);
        this.shown.push({ pair: existing, withValue: true });
        return undefined;
      case 'get-tree':
        for (const pair of this.#tree(operation.key)) this.shown.push({ pair, withValue: true });
        return undefined;
      case 'check-index':
        if (!existing) return refused(`failed to check index, key ${name} doesn't exist`);
        if (existing.modifyIndex !== operation.index)
          return refused(
            `failed index check for key ${name}, current modify index ${existing.modifyIndex} != ${operation.index}`,
          );
        this.shown.push({ pair: existing, withValue: false });
        return undefined;
      case 'check-session':
        if (!existing) return refused(`failed to check session, key ${name} doesn't exist`);
        if ((existing.session ?? '') !== operation.session)
          return refused(
            `failed session check for key ${name}, current session "${existing.session ?? ''}" != "${operation.session}"`,
          );
        this.shown.push({ pair: existing, withValue: false });
        return undefined;
      default:
        return existing ? refused(`key ${name} exists`) : undefined;
    }
  }

  #tree(prefix: string): KvPair[] {
    return [...this.#pairs.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  #lock(operation: KvOperation & { readonly verb: 'lock' }, existing: KvPair | undefined): Failed {
    const { session, key } = operation;
    if (session === '') return { kind: 'invalid', message: 'missing session' };
    if (!this.#state.sessions.has(session))
      return { kind: 'invalid', message: `invalid session ${JSON.stringify(session)}` };
    const held = existing?.session !== undefined && existing.session !== session;
    if (held || (existing?.session === undefined && this.#state.delayed.has(key)))
      return refused(`failed to lock key ${JSON.stringify(key)}, lock is already held`);
    const lockIndex = (existing?.lockIndex ?? 0) + (existing?.session === session ? 0 : 1);
    return this.#put(operation, session, lockIndex);
  }

  /** Writes a pair unless nothing changes: an equal write must not wake blocking queries. */
  #put(
    { key, value, flags }: { readonly key: string; readonly value: string; readonly flags: bigint },
    session: string | undefined,
    lockIndex: number,
  ): undefined {
    const existing = this.#pairs.get(key);
    const same =
      existing?.value === value &&
      existing.flags === flags &&
      existing.session === session &&
      existing.lockIndex === lockIndex;
    const { createIndex = 0 } = existing ?? {};
    const holder = session === undefined ? {} : { session };
    const pair = same ? existing : { key, value, flags, lockIndex, ...holder, createIndex, modifyIndex: 0 };
    this.#pairs.set(key, pair);
    this.shown.push({ pair, withValue: false });
    return undefined;
  }
}
