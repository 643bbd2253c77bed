import { GrpcError, STATUS } from '../grpc/index.ts';
import type { DeleteRangeRequest, PutRequest, RangeRequest } from '../proto/index.ts';
import { type KeyRange, keyRange } from './keys.ts';
import { type Keyspace, MAX_RESPONSE_BYTES, tooLarge } from './keyspace.ts';

/** Limit of keys that one transaction reads, compares and deletes: about 50 ms of uninterruptible work. */
export const MAX_TXN_KEYS = 10_000;

/**
 * Adds up the work of a transaction before any of it is done. Throws etcd's `etcdserver: too many operations in txn
 * request`, or gRPC's words for a response that is too long.
 */
export class TxnWork {
  readonly #keyspace: Keyspace;
  readonly #revision: number;
  #keys = 0;
  #responseBytes = 0;
  /** Counted, because each range of the transaction may read them again. */
  #putBytes = 0;

  constructor(keyspace: Keyspace, revision: number) {
    this.#keyspace = keyspace;
    this.#revision = revision;
  }

  /** Adds the keys of a comparison. */
  addRange({ key, rangeEnd }: { readonly key: Buffer; readonly rangeEnd: Buffer }): void {
    this.#add(this.#keyspace.count(keyRange(key, rangeEnd)));
  }

  addPut(put: PutRequest, depth: number): void {
    this.#putBytes += put.key.length + put.value.length;
    const previous = put.prevKv || put.ignoreValue ? this.#keyspace.get(put.key) : undefined;
    if (put.ignoreValue) this.#putBytes += previous?.length ?? 0;
    if (put.prevKv) this.#respond((previous?.length ?? 0) + this.#putBytes, depth);
  }

  addRead(range: RangeRequest, depth: number): void {
    this.#keyspace.checkRange(range, this.#revision);
    this.#add(this.#keyspace.costOf(range, this.#revision));
    if (range.countOnly) return;
    const { kvs } = this.#keyspace.range(range, this.#revision);
    this.#respond(
      kvs.reduce((sum, record) => sum + record.length, this.#putBytes),
      depth,
    );
  }

  addDelete({ key, rangeEnd, prevKv }: DeleteRangeRequest, depth: number): void {
    const range = keyRange(key, rangeEnd);
    this.#add(rangeEnd.length === 0 ? 1 : this.#keyspace.count(range));
    if (prevKv) this.#respond(this.#bytesOf(range) + this.#putBytes, depth);
  }

  #bytesOf(range: KeyRange): number {
    return this.#keyspace.records(range).reduce((sum, record) => sum + record.length, 0);
  }

  #add(keys: number): void {
    this.#keys += keys;
    if (this.#keys > MAX_TXN_KEYS) {
      throw new GrpcError(STATUS.invalidArgument, 'etcdserver: too many operations in txn request');
    }
  }

  #respond(bytes: number, depth: number): void {
    this.#responseBytes += bytes * depth;
    if (this.#responseBytes > MAX_RESPONSE_BYTES) throw tooLarge();
  }
}
