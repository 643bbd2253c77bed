import { KeyValue, type PutRequest } from '../proto/index.ts';
import { encodeLogEntry } from './change-log.ts';
import { historyKey, leaseKey, logKey } from './keys.ts';
import type { KeyChange, Keyspace } from './keyspace.ts';

const NOTHING = Buffer.alloc(0);
const NO_LEASE = 0n;

/** Writes the changes of one revision, inside a write transaction. */
export class RevisionWriter {
  readonly revision: number;
  readonly changes: KeyChange[] = [];
  readonly #keyspace: Keyspace;

  /** `revision` is the one that the changes will make, if there are any. */
  constructor(keyspace: Keyspace, revision: number) {
    this.#keyspace = keyspace;
    this.revision = revision;
  }

  /** Returns the previous record. */
  put(request: PutRequest): Buffer | undefined {
    const key = Buffer.from(request.key);
    const previous = this.#keyspace.get(key);
    const before = previous && KeyValue.decode(previous);
    const lease = request.ignoreLease && before ? before.lease : request.lease;
    const record = KeyValue.encode({
      key,
      createRevision: before?.createRevision ?? this.revision,
      modRevision: this.revision,
      version: (before?.version ?? 0) + 1,
      value: request.ignoreValue && before ? before.value : request.value,
      lease,
    });
    const { current, leaseKeys } = this.#keyspace.tables;
    current.put(key, record);
    this.#detach(key, before);
    if (lease !== NO_LEASE) leaseKeys.put(Buffer.concat([leaseKey(lease), key]), NOTHING);
    this.#log({ type: 'put', key, record, previous });
    return previous;
  }

  /** Returns the deleted record; does nothing when there is none. */
  delete(key: Buffer): Buffer | undefined {
    const previous = this.#keyspace.get(key);
    if (!previous) return undefined;
    const record = KeyValue.encode({ key, modRevision: this.revision });
    this.#keyspace.tables.current.remove(key);
    this.#detach(key, KeyValue.decode(previous));
    this.#log({ type: 'delete', key, record, previous });
    return previous;
  }

  #detach(key: Buffer, before: KeyValue | undefined): void {
    if (!before || before.lease === NO_LEASE) return;
    this.#keyspace.tables.leaseKeys.remove(Buffer.concat([leaseKey(before.lease), key]));
  }

  #log(change: KeyChange): void {
    const { history, log } = this.#keyspace.tables;
    history.put(historyKey(change.key, this.revision), change.record);
    log.put(logKey(this.revision, this.changes.length), encodeLogEntry(change));
    this.changes.push(change);
  }
}
