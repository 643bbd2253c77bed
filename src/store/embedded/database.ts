import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, type RootDatabase, type Database as Table, type Transaction } from 'lmdb';
import { messageOf } from '../../lib/index.ts';
import { GrpcError, STATUS } from '../grpc/index.ts';

/** A snapshot of the data at one moment. */
export type ReadTransaction = Transaction;

type BinaryTable = Table<Buffer, Buffer>;

/** The tables of the data file. Records are protobuf KeyValue messages in the form sent to clients. */
export interface Tables {
  /** key → its current record. */
  readonly current: BinaryTable;
  /** key and revision → the record of that revision; a deletion is a record without version. */
  readonly history: BinaryTable;
  /** revision and place → the change. */
  readonly log: BinaryTable;
  /** lease id → seconds to live. */
  readonly leases: BinaryTable;
  /** lease id and key → nothing. */
  readonly leaseKeys: BinaryTable;
  readonly meta: BinaryTable;
}

const BINARY = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
const PAGE_BYTES = 4096;
const FREE_BYTES_NEEDED = 64 * 1024;

/** The data file: tables, and transactions that are durable when they resolve. */
export class Database {
  readonly tables: Tables;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    // `overlappingSync: false`: a commit resolves when it is synced, and a failed one rejects its own promise only.
    const options = { ...BINARY, noSubdir: true, maxDbs: 8, overlappingSync: false, eventTurnBatching: false };
    this.#root = open<Buffer, Buffer>({ path: file, ...options });
    const table = (name: string) => this.#root.openDB<Buffer, Buffer>({ name, ...BINARY });
    this.tables = {
      current: table('current'),
      history: table('history'),
      log: table('log'),
      leases: table('leases'),
      leaseKeys: table('leaseKeys'),
      meta: table('meta'),
    };
  }

  /** Runs `work` in a write transaction: all of it is on the disk when this resolves, none of it when this rejects. */
  async transact<T>(work: () => T): Promise<T> {
    try {
      return (await this.#root.childTransaction(work)) as T;
    } catch (error) {
      throw error instanceof Error && 'commitError' in error ? this.#writeError(error) : error;
    }
  }

  /** Runs `work` on a snapshot of the present data. */
  async read<T>(work: (snapshot: ReadTransaction) => Promise<T>): Promise<T> {
    const snapshot = this.#root.useReadTransaction();
    try {
      return await work(snapshot);
    } finally {
      snapshot.done();
    }
  }

  /** Returns the size of the file and of its used part. */
  size(): { fileBytes: number; usedBytes: number } {
    const fileBytes = statSync(this.#file).size;
    const stats = this.#root.getStats() as { lastPageNumber: number };
    return { fileBytes, usedBytes: Math.min(fileBytes, (stats.lastPageNumber + 1) * PAGE_BYTES) };
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  #writeError(error: Error & { commitError?: unknown }): GrpcError {
    // lmdb may settle this promise later, or never; a late rejection must not count as unhandled.
    Promise.resolve(error.commitError).catch(() => {});
    const directory = dirname(this.#file);
    const { bavail, bsize } = statfsSync(directory);
    const why = bavail * bsize < FREE_BYTES_NEEDED ? 'the disk is full' : messageOf(error);
    const message = `the store cannot write to ${directory}: ${why}; nothing was changed, free some space and try again`;
    return new GrpcError(STATUS.resourceExhausted, message, { cause: error });
  }
}
