import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, type RootDatabase, type Database as Table, type Transaction } from 'lmdb';
import { messageOf } from '../../lib/index.ts';
import { GrpcError, STATUS } from '../grpc/index.ts';

/** The data as they were at one moment. */
export type ReadTransaction = Transaction;

type BinaryTable = Table<Buffer, Buffer>;

/** The tables of the data file. Records are protobuf KeyValue messages as they go to clients. */
export interface Tables {
  /** key → its record now. */
  readonly current: BinaryTable;
  /** key and revision → the record of then; a deletion is a record without version. */
  readonly history: BinaryTable;
  /** revision and place → what changed. */
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
    // A commit resolves when it is synced (no overlapping sync), and a failed one rejects just its own promise.
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

  /** Runs `work` in a write transaction: all of it is on the disk when this resolves, or none when it rejects. */
  async transact<T>(work: () => T): Promise<T> {
    try {
      return (await this.#root.childTransaction(work)) as T;
    } catch (error) {
      throw error instanceof Error && 'commitError' in error ? this.#writeError(error) : error;
    }
  }

  /** Runs `work` on the data as they are now, whatever is written meanwhile. */
  async read<T>(work: (snapshot: ReadTransaction) => Promise<T>): Promise<T> {
    const snapshot = this.#root.useReadTransaction();
    try {
      return await work(snapshot);
    } finally {
      snapshot.done();
    }
  }

  /** Size of the file, and of the part of it in use. */
  size(): { fileBytes: number; usedBytes: number } {
    const fileBytes = statSync(this.#file).size;
    const stats = this.#root.getStats() as { lastPageNumber: number };
    return { fileBytes, usedBytes: Math.min(fileBytes, (stats.lastPageNumber + 1) * PAGE_BYTES) };
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  #writeError(error: Error & { commitError?: unknown }): GrpcError {
    // The library may never settle this promise; it must not count as an unhandled rejection when it does.
    Promise.resolve(error.commitError).catch(() => {});
    const directory = dirname(this.#file);
    const { bavail, bsize } = statfsSync(directory);
    const why = bavail * bsize < FREE_BYTES_NEEDED ? 'the disk is full' : messageOf(error);
    const message = `the store cannot write to ${directory}: ${why}; nothing was changed, free some space and try again`;
    return new GrpcError(STATUS.resourceExhausted, message, { cause: error });
  }
}
