import type { Clock } from '../../lib/index.ts';
import { GrpcError, STATUS } from '../grpc/index.ts';
import type { Database } from './database.ts';
import type { KeyChange, Keyspace } from './keyspace.ts';
import { RevisionWriter } from './revision-writer.ts';

/** One revision, durable. */
export interface Commit {
  readonly revision: number;
  readonly changes: readonly KeyChange[];
}

/** Writes to the tables in a write transaction. It may throw only before it has written anything. */
export type WriteWork<T> = (writer: RevisionWriter) => T;

interface Waiting {
  readonly work: WriteWork<unknown>;
  readonly weight: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Outcome {
  readonly waiting: Waiting;
  readonly result?: unknown;
  readonly error?: unknown;
}

export interface CommitHooks {
  /** Runs inside a transaction that makes revisions. */
  beforeCommit(commits: readonly Commit[]): void;
  /** Called with every revision, in order, as soon as it is durable and before its writers get their responses. */
  afterCommit(commits: readonly Commit[]): void;
}

const BATCH_WEIGHT = 4 << 20;
const BATCH_REQUESTS = 500;
/** A transaction begins no further request after this time, so that other work gets its turn. */
const BATCH_MS = 40;

/**
 * Group commit: requests that arrive while one transaction is synced to the disk share the next one and are resolved
 * when that is synced. A transaction that cannot be written changes nothing and rejects all its requests.
 */
export class CommitQueue {
  readonly #database: Database;
  readonly #keyspace: Keyspace;
  readonly #hooks: CommitHooks;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(database: Database, keyspace: Keyspace, hooks: CommitHooks, clock: Clock) {
    this.#clock = clock;
    this.#database = database;
    this.#keyspace = keyspace;
    this.#hooks = hooks;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when the writes of `work` are durable; `weight` is about the number of bytes that it writes. */
  submit<T>(work: WriteWork<T>, weight = 0): Promise<T> {
    if (this.#closed) return Promise.reject(new GrpcError(STATUS.unavailable, 'the store is shutting down'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, weight, resolve: resolve as (result: unknown) => void, reject });
      this.#running ??= this.#run();
    });
  }

  /** Finishes the submitted work and refuses further work. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    // Wait a turn, so that requests of the same turn of the event loop join the first batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit(this.#nextBatch());
    this.#running = undefined;
  }

  #nextBatch(): Waiting[] {
    let weight = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (count > 0 && (weight + waiting.weight > BATCH_WEIGHT || count === BATCH_REQUESTS)) break;
      weight += waiting.weight;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    let concerned = batch;
    try {
      const { outcomes, commits } = await this.#database.transact(() => this.#write(batch));
      // Requests without time left come first in the next batch.
      this.#waiting.unshift(...batch.slice(outcomes.length));
      concerned = batch.slice(0, outcomes.length);
      if (commits.length > 0) this.#hooks.afterCommit(commits);
      for (const outcome of outcomes) settle(outcome);
    } catch (error) {
      for (const waiting of concerned) waiting.reject(error);
    }
  }

  #write(batch: readonly Waiting[]): { outcomes: Outcome[]; commits: Commit[] } {
    const commits: Commit[] = [];
    let revision = this.#keyspace.revision();
    const outcomes: Outcome[] = [];
    const untilMs = this.#clock.monotonic() + BATCH_MS;
    for (const waiting of batch) {
      if (outcomes.length > 0 && this.#clock.monotonic() >= untilMs) break;
      const writer = new RevisionWriter(this.#keyspace, revision + 1);
      try {
        const result = waiting.work(writer);
        if (writer.changes.length > 0) commits.push({ revision: ++revision, changes: writer.changes });
        outcomes.push({ waiting, result });
      } catch (error) {
        if (writer.changes.length > 0) throw error;
        outcomes.push({ waiting, error });
      }
    }
    if (commits.length > 0) {
      this.#keyspace.setRevision(revision);
      this.#hooks.beforeCommit(commits);
    }
    return { outcomes, commits };
  }
}

function settle({ waiting, result, error }: Outcome): void {
  if (error === undefined) waiting.resolve(result);
  else waiting.reject(error);
}
