import { isFlotillaError, type Log, messageOf, type Random } from '../lib/index.ts';
import type { Condition, Entry, Write } from '../store/index.ts';
import type { NewSession, Session, Sessions } from './kv.ts';
import { decodeLock, decodePair, decodeSession, encodePair, encodeSession } from './kv-records.ts';
import type { KvStore } from './transact.ts';

export interface SessionsOptions extends KvStore {
  readonly random: Random;
  readonly log: Log;
}

/** Sessions in the store. A session with a time to live has a lease of its own, to which its record is attached. */
export class StoredSessions implements Sessions {
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  async create(session: NewSession): Promise<string> {
    const { store, keys, random } = this.#options;
    const id = uuid(random);
    const lease = session.ttlMs > 0 ? await store.grantLease(session.ttlMs) : undefined;
    await store.commit([], [{ put: keys.session(id), value: encodeSession(session), ...(lease ? { lease } : {}) }]);
    return id;
  }

  async get(id: string) {
    const { store, keys } = this.#options;
    const place = keys.session(id);
    const { entries, revision } = await store.list({ from: place, to: `${place}\0` });
    return { session: entries[0] && decodeSession(id, entries[0]), revision };
  }

  async list() {
    const { store, keys } = this.#options;
    const { entries, revision } = await store.list(keys.sessions);
    const sessions = entries.map((entry) => decodeSession(keys.sessionOf(entry.key)!, entry));
    return { sessions: sessions.filter((session) => session !== undefined), revision };
  }

  async renew(id: string): Promise<Session | undefined> {
    const { session } = await this.get(id);
    if (!session || session.lease === undefined) return session;
    return (await this.#options.store.renewLease(session.lease)) ? session : undefined;
  }

  async destroy(id: string): Promise<void> {
    const { store, keys } = this.#options;
    const { session } = await this.get(id);
    await store.commit([], [{ delete: keys.session(id) }]);
    if (session?.lease !== undefined) await store.revokeLease(session.lease);
    const { entries } = await store.list(keys.locks(id));
    await Promise.all(entries.map((entry) => this.#giveUp(entry)));
  }

  async sweep(judge: () => Promise<(session: Session) => boolean>): Promise<number> {
    const { store, keys, log } = this.#options;
    const { entries } = await store.list(keys.locksAndSessions);
    if (entries.length === 0) return 0;
    const isAlive = await judge();
    const alive = new Set<string>();
    for (const entry of entries) {
      const id = keys.sessionOf(entry.key);
      const session = id === undefined ? undefined : decodeSession(id, entry);
      if (!session) continue;
      alive.add(session.id);
      if (isAlive(session)) continue;
      alive.delete(session.id);
      log.info('Session ended, its machine or a check has failed', { session: session.id, machine: session.machine });
      await this.destroy(session.id);
    }
    for (const entry of entries) {
      const lock = keys.lockOf(entry.key);
      if (lock && !alive.has(lock.session)) await this.#giveUp(entry);
    }
    return alive.size;
  }

  watch(onChange: () => void, signal: AbortSignal): void {
    void this.#follow(onChange, signal);
  }

  async #follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    const { store, keys, clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        const revision = await store.revision();
        onChange();
        for await (const { events } of store.watch(keys.locksAndSessions, revision, signal))
          if (events.length > 0) onChange();
      } catch (error) {
        if (!isFlotillaError(error, 'compacted')) log.warn('Sessions are not watched', { error: messageOf(error) });
      }
      await clock.sleep(1000, signal).catch(() => {});
    }
  }

  /** Releases a lock whose session has ended; tries again until it or another machine has succeeded. */
  async #giveUp(lock: Entry): Promise<void> {
    const { store, keys } = this.#options;
    const { session, key } = keys.lockOf(lock.key)!;
    for (;;) {
      const [entry, gone] = await Promise.all([store.get(keys.pair(key)), store.get(keys.session(session))]);
      if (gone) return;
      const { writes, condition } = await this.#giveUpWrites(lock, entry);
      const result = await store.commit([{ key: keys.session(session), createRevision: 0 }, condition], writes);
      if (result.ok) return;
    }
  }

  async #giveUpWrites(lock: Entry, entry: Entry | undefined): Promise<{ writes: Write[]; condition: Condition }> {
    const { store, keys } = this.#options;
    const { session, key } = keys.lockOf(lock.key)!;
    const place = keys.pair(key);
    const condition = entry ? { key: place, modRevision: entry.modRevision } : { key: place, createRevision: 0 };
    const writes: Write[] = [{ delete: lock.key }];
    const pair = entry && decodePair(key, entry);
    if (pair?.session !== session) return { writes, condition };
    const { session: _, ...free } = pair;
    const { behavior, lockDelayMs } = decodeLock(lock.value);
    writes.push(behavior === 'delete' ? { delete: place } : { put: place, value: encodePair(free) });
    if (lockDelayMs > 0) writes.push({ put: keys.delay(key), value: '{}', lease: await store.grantLease(lockDelayMs) });
    return { writes, condition };
  }
}

/** A random UUID, version 4. */
function uuid(random: Random): string {
  const hex = random.hex(16);
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`];
  return [...parts, hex.slice(20)].join('-');
}
