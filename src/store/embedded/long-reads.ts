import type { RangeRequest } from '../proto/index.ts';
import type { Database } from './database.ts';
import { Keyspace } from './keyspace.ts';
import { encodeRange, type TxnContext } from './txn.ts';

/** Ranges with a higher cost are read in turns. */
export const SHORT_READ = 2000;

/** Reads large ranges one after the other, each in one snapshot, with pauses for other work. */
export class LongReads {
  readonly #database: Database;
  readonly #context: TxnContext;
  #last: Promise<unknown> = Promise.resolve();

  constructor(database: Database, context: TxnContext) {
    this.#database = database;
    this.#context = context;
  }

  /** Resolves with the response; throws the errors of `Keyspace.range`. */
  read(request: RangeRequest): Promise<Buffer> {
    const result = this.#last.then(() => this.#database.read((snapshot) => this.#read(request, snapshot)));
    this.#last = result.catch(() => {});
    return result;
  }

  async #read(request: RangeRequest, snapshot: ConstructorParameters<typeof Keyspace>[1]): Promise<Buffer> {
    const keyspace = new Keyspace(this.#context.keyspace.tables, snapshot);
    const revision = keyspace.revision();
    const steps = keyspace.rangeInSteps(request, revision);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return encodeRange(this.#context, revision, value);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
