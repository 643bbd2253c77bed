import { type Log, messageOf } from '../../lib/index.ts';
import { decodeLogEntry } from './change-log.ts';
import type { Commit, CommitQueue } from './commit-queue.ts';
import { escapeKey, historyKey, logKey, revisionOfLogKey } from './keys.ts';
import { compacted, futureRevision, isDeletion, type Keyspace } from './keyspace.ts';

export interface HistoryLimits {
  /** The number of changes kept for watches and reads of the past. */
  readonly keepChanges: number;
  /** The limit of their size, in bytes; approximate. */
  readonly keepBytes: number;
}

/** The total written since the store was made, and the totals at some revisions. */
interface Account extends Mark {
  readonly marks: readonly Mark[];
}

interface Mark {
  readonly revision: number;
  readonly changes: number;
  readonly bytes: number;
}

const ACCOUNT = Buffer.from('account');
const MARKS_PER_LIMIT = 8;
const SLICE = 500;

/** Bounds the history: forgets old revisions by itself and on request. */
export class Compactor {
  readonly #keyspace: Keyspace;
  readonly #limits: HistoryLimits;
  readonly #log: Log;
  #account: Account;
  #pending: Account;
  #trimming: Promise<void> | undefined;
  #trimmedTo: Buffer = logKey(0, 0);

  constructor(keyspace: Keyspace, limits: HistoryLimits, log: Log) {
    this.#keyspace = keyspace;
    this.#limits = limits;
    this.#log = log;
    const kept = keyspace.tables.meta.get(ACCOUNT);
    const mark = { revision: keyspace.revision(), changes: 0, bytes: 0 };
    this.#account = kept ? (JSON.parse(kept.toString()) as Account) : { ...mark, marks: [mark] };
    this.#pending = this.#account;
  }

  /** Counts these commits, within their transaction. */
  beforeCommit(commits: readonly Commit[]): void {
    const changes = commits.flatMap((commit) => commit.changes);
    const total: Mark = {
      revision: commits.at(-1)!.revision,
      changes: this.#account.changes + changes.length,
      bytes: this.#account.bytes + changes.reduce((sum, { record }) => sum + record.length, 0),
    };
    const last = this.#account.marks.at(-1)!;
    const due = this.#exceeds(last, total, 1 / MARKS_PER_LIMIT);
    this.#pending = { ...total, marks: due ? [...this.#account.marks, total] : this.#account.marks };
    if (due) this.#save(this.#pending);
  }

  /** Confirms the count, and begins to compact when there is too much history. */
  afterCommit(queue: CommitQueue): void {
    this.#account = this.#pending;
    if (this.#trimming || !this.#exceeds(this.#account.marks[0]!, this.#account, 1 + 2 / MARKS_PER_LIMIT)) return;
    const target = this.#account.marks.findLast((mark) => this.#exceeds(mark, this.#account, 1));
    if (!target || target.revision <= this.#keyspace.compactedRevision()) return;
    this.compact(queue, target.revision).catch((error) => this.#complain('Cannot compact the store', queue, error));
  }

  /** Forgets revisions before `revision`; resolves when reads of them are refused. Throws as etcd does. */
  async compact(queue: CommitQueue, revision: number): Promise<void> {
    await queue.submit(() => {
      if (revision <= this.#keyspace.compactedRevision()) throw compacted();
      if (revision > this.#keyspace.revision()) throw futureRevision();
      this.#keyspace.setCompactedRevision(revision);
    });
    const marks = this.#account.marks.filter((mark) => mark.revision >= revision);
    this.#account = { ...this.#account, marks: marks.length > 0 ? marks : [asMark(this.#account)] };
    this.#log.info('Store compacted', { revision });
    this.trimInBackground(queue);
  }

  /** Deletes compacted records slice by slice, so that other work gets its turn; resolves when all are gone. */
  trim(queue: CommitQueue): Promise<void> {
    this.#trimming ??= this.#trimAll(queue).finally(() => {
      this.#trimming = undefined;
    });
    return this.#trimming;
  }

  /** Like `trim`; a failure is retried with the next compaction or the next start. */
  trimInBackground(queue: CommitQueue): void {
    this.trim(queue).catch((error) => this.#complain('Cannot trim the history', queue, error));
  }

  #complain(sentence: string, queue: CommitQueue, error: unknown): void {
    if (!queue.closed) this.#log.error(sentence, { error: messageOf(error) });
  }

  async #trimAll(queue: CommitQueue): Promise<void> {
    for (;;) {
      const next = await queue.submit(() => this.#trimSlice(this.#trimmedTo));
      if (next === undefined) return;
      this.#trimmedTo = next;
    }
  }

  /** Trims the log from `start`; returns where to go on, undefined when everything compacted is trimmed. */
  #trimSlice(start: Buffer): Buffer | undefined {
    const { log } = this.#keyspace.tables;
    const compactedRevision = this.#keyspace.compactedRevision();
    const entries = Array.from(log.getRange({ start, end: logKey(compactedRevision + 1, 0), limit: SLICE }));
    for (const { key, value } of entries) {
      const revision = revisionOfLogKey(key);
      this.#forget(decodeLogEntry(value).key, revision, revision < compactedRevision);
      if (revision < compactedRevision) log.remove(key);
    }
    const last = entries.at(-1)?.key;
    if (!last || entries.length < SLICE) return undefined;
    return Buffer.concat([last, Buffer.from([0])]);
  }

  /** Deletes the version before this one, and this one too if it is a deletion. */
  #forget(key: Buffer, revision: number, past: boolean): void {
    const { history } = this.#keyspace.tables;
    const before = { start: historyKey(key, revision - 1), end: escapeKey(key), reverse: true, limit: 1 };
    for (const old of Array.from(history.getKeys(before))) history.remove(old);
    const own = historyKey(key, revision);
    const record = past ? history.get(own) : undefined;
    if (record && isDeletion(record)) history.remove(own);
  }

  #exceeds(from: Mark, to: Mark, share: number): boolean {
    const { keepChanges, keepBytes } = this.#limits;
    return to.changes - from.changes > keepChanges * share || to.bytes - from.bytes > keepBytes * share;
  }

  #save(account: Account): void {
    this.#keyspace.tables.meta.put(ACCOUNT, Buffer.from(JSON.stringify(account)));
  }
}

function asMark({ revision, changes, bytes }: Mark): Mark {
  return { revision, changes, bytes };
}
