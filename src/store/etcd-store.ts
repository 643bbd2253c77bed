import { FlotillaError, isFlotillaError } from '../lib/index.ts';
import { KeyMapping } from './entries.ts';
import { LEASE_GRANT, LEASE_TIME_TO_LIVE, RANGE, READ_TXN, WRITE_TXN } from './etcd-calls.ts';
import { EtcdClient, type EtcdClientOptions } from './etcd-client.ts';
import { EtcdLease, revokeLease } from './etcd-lease.ts';
import { EtcdWatch } from './etcd-watch.ts';
import { RangeResponse, ResponseOp } from './proto/index.ts';
import type {
  CommitResult,
  Condition,
  Entry,
  Lease,
  Listing,
  ListOptions,
  Range,
  Store,
  Watch,
  Write,
} from './store.ts';
import { MAX_COMMIT_WRITES } from './store.ts';

export interface EtcdStoreOptions extends EtcdClientOptions {
  /** Prefix of every key, so that several clusters can share one etcd. */
  readonly keyPrefix?: string | undefined;
}

/** Opens a Store on etcd v3 or the embedded store; connects on first use. */
export function openEtcdStore(options: EtcdStoreOptions): Store {
  if (options.endpoints.length === 0) throw new FlotillaError('usage', 'no store endpoint is given; name at least one');
  for (const endpoint of options.endpoints) checkEndpoint(endpoint);
  return new EtcdStore(new EtcdClient(options), new KeyMapping(options.keyPrefix ?? ''));
}

function checkEndpoint(endpoint: string): void {
  const { protocol, pathname, search } = URL.parse(endpoint) ?? {};
  if (/^https?:$/.test(protocol ?? '') && pathname === '/' && search === '') return;
  const what = `${JSON.stringify(endpoint)} is not the endpoint of a store`;
  throw new FlotillaError('usage', `${what}; write it as http://HOST:PORT or https://HOST:PORT`);
}

const EQUAL = 0;
const LESS = 2;
const TARGET = { createRevision: 1, modRevision: 2, lease: 4 } as const;
// Entries per page: long lists are read in pages at one revision, so that no message is huge.
const PAGE_ENTRIES = 4000;

/** The embedded store sends no response above 32 MB, whatever the number of entries: read fewer then. */
async function unlessTooLarge<T>(entries: number, call: () => Promise<T>): Promise<T | 'too-large'> {
  try {
    return await call();
  } catch (error) {
    if (entries > 1 && isFlotillaError(error, 'too-large')) return 'too-large';
    throw error;
  }
}

class EtcdStore implements Store {
  readonly #client: EtcdClient;
  readonly #keys: KeyMapping;
  readonly #watches = new Set<EtcdWatch>();
  readonly #leases = new Set<EtcdLease>();

  constructor(client: EtcdClient, keys: KeyMapping) {
    this.#client = client;
    this.#keys = keys;
  }

  async list(range: Range, options: ListOptions = {}): Promise<Listing> {
    for (;;) {
      try {
        return await this.#list(range, options);
      } catch (error) {
        // The revision of the first page may be compacted before the last page is read: begin again.
        if (options.revision !== undefined || !isFlotillaError(error, 'compacted')) throw error;
      }
    }
  }

  async get(key: string): Promise<Entry | undefined> {
    const { kvs } = await this.#client.call(RANGE, { key: this.#keys.key(key) });
    return kvs[0] && this.#keys.entry(kvs[0]);
  }

  async getMany(keys: readonly string[]): Promise<Entry[]> {
    const entries: Entry[] = [];
    let atOnce = MAX_COMMIT_WRITES;
    for (let at = 0; at < keys.length; ) {
      const some = keys.slice(at, at + atOnce);
      const success = some.map((key) => ({ range: { key: this.#keys.key(key) } }));
      const read = await unlessTooLarge(some.length, () => this.#client.call(READ_TXN, { success }));
      if (read === 'too-large') {
        atOnce = Math.ceil(some.length / 2);
        continue;
      }
      at += some.length;
      for (const response of read.responses) {
        const { kvs } = RangeResponse.decode(ResponseOp.decode(response).range);
        for (const kv of kvs) entries.push(this.#keys.entry(kv));
      }
    }
    return entries;
  }

  async revision(): Promise<number> {
    // Count a key that cannot exist: the response is the header only.
    const { header } = await this.#client.call(RANGE, { key: this.#keys.key('\0'), countOnly: true });
    return header?.revision ?? 0;
  }

  async commit(conditions: readonly Condition[], writes: readonly Write[]): Promise<CommitResult> {
    if (writes.length > MAX_COMMIT_WRITES || conditions.length > MAX_COMMIT_WRITES) {
      throw new FlotillaError('invalid', `a commit has at most ${MAX_COMMIT_WRITES} writes and as many conditions`);
    }
    const compare = conditions.map((condition) => this.#compare(condition));
    const success = writes.map((write) => this.#operation(write));
    const { header, succeeded } = await this.#client.call(WRITE_TXN, { compare, success });
    return { ok: succeeded, revision: header?.revision ?? 0 };
  }

  watch(range: Range, after: number, signal: AbortSignal): Watch {
    const client = this.#client;
    const watch = new EtcdWatch({
      client,
      range,
      after,
      signal,
      keys: this.#keys,
      onEnd: () => this.#watches.delete(watch),
      onSetBack: (toldAt) => {
        // Keys attached to an older lease are gone, whether or not the lease itself survived.
        for (const lease of this.#leases) if (lease.since < toldAt) lease.lose('the store was set back');
      },
    });
    this.#watches.add(watch);
    return watch;
  }

  async lease(ttlMs: number): Promise<Lease> {
    const sentAt = this.#client.clock.monotonic();
    const { id, ttl } = await this.#client.call(LEASE_GRANT, { ttl: Math.ceil(ttlMs / 1000) });
    return this.#keep(String(id), ttl, sentAt);
  }

  async resumeLease(id: string): Promise<EtcdLease | undefined> {
    const { ttl, grantedTtl } = await this.#client.call(LEASE_TIME_TO_LIVE, { id: BigInt(id) });
    if (ttl < 0) return undefined;
    // The lease's remaining time is unknown until a keep-alive is confirmed; promise nothing before that.
    const lease = this.#keep(id, grantedTtl, this.#client.clock.monotonic());
    if (await lease.confirmed()) return lease;
    lease.stop();
    return undefined;
  }

  async grantLease(ttlMs: number): Promise<string> {
    const { id } = await this.#client.call(LEASE_GRANT, { ttl: Math.ceil(ttlMs / 1000) });
    return String(id);
  }

  async renewLease(id: string): Promise<boolean> {
    const lease = await this.resumeLease(id);
    // The caller decides whether to try again.
    lease?.stop();
    return lease !== undefined;
  }

  async revokeLease(id: string): Promise<void> {
    await revokeLease(this.#client, id);
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.end();
    for (const lease of this.#leases) lease.stop();
    this.#client.close();
  }

  #keep(id: string, ttl: number, sentAt: number): EtcdLease {
    const lease = new EtcdLease(this.#client, id, ttl * 1000, sentAt, (ended) => this.#leases.delete(ended));
    this.#leases.add(lease);
    return lease;
  }

  async #list(range: Range, options: ListOptions): Promise<Listing> {
    const { key: first, rangeEnd } = this.#keys.range(range);
    const entries: Entry[] = [];
    let { revision } = options;
    let shown: number | undefined;
    let key: Buffer = first;
    let pageEntries = PAGE_ENTRIES;
    for (;;) {
      const limit = Math.min(pageEntries, (options.limit ?? Infinity) - entries.length);
      const request = { key, rangeEnd, limit, revision, keysOnly: options.keysOnly };
      const page = await unlessTooLarge(limit, () => this.#client.call(RANGE, request));
      if (page === 'too-large') {
        pageEntries = Math.ceil(limit / 4);
        continue;
      }
      const { kvs, more, header } = page;
      for (const kv of kvs) entries.push(this.#keys.entry(kv));
      shown ??= header?.revision ?? 0;
      revision ??= shown;
      const last = kvs.at(-1);
      const isFull = options.limit !== undefined && (entries.length === options.limit || pageEntries < PAGE_ENTRIES);
      if (!more || !last || isFull) return { entries, revision: shown, more };
      key = Buffer.concat([last.key, Buffer.from([0])]);
    }
  }

  #compare(condition: Condition) {
    if ('range' in condition) {
      const modRevision = condition.unchangedSince + 1;
      return { result: LESS, target: TARGET.modRevision, ...this.#keys.range(condition.range), modRevision };
    }
    const key = this.#keys.key(condition.key);
    if ('createRevision' in condition) {
      return { result: EQUAL, target: TARGET.createRevision, key, createRevision: condition.createRevision };
    }
    if ('modRevision' in condition) {
      return { result: EQUAL, target: TARGET.modRevision, key, modRevision: condition.modRevision };
    }
    return { result: EQUAL, target: TARGET.lease, key, lease: BigInt(condition.lease) };
  }

  #operation(write: Write) {
    if ('put' in write) {
      const lease = write.lease === undefined ? 0n : BigInt(write.lease);
      return { put: { key: this.#keys.key(write.put), value: Buffer.from(write.value), lease } };
    }
    if ('delete' in write) return { deleteRange: { key: this.#keys.key(write.delete) } };
    return { deleteRange: this.#keys.range(write.deleteRange) };
  }
}
