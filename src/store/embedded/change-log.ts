import { historyKey, inRange, type KeyRange, logKey, revisionOfLogKey } from './keys.ts';
import type { KeyChange, Keyspace } from './keyspace.ts';

export interface LoggedKey {
  readonly type: 'put' | 'delete';
  readonly key: Buffer;
}

export interface LoggedChange {
  readonly revision: number;
  readonly change: KeyChange;
}

export interface LogPortion {
  readonly changes: readonly LoggedChange[];
  /** The revision up to which this portion and earlier ones are complete. */
  readonly reached: number;
}

export interface LogQuery {
  readonly range: KeyRange;
  /** The first and last revision to read. */
  readonly from: number;
  readonly to: number;
  /** Also reads the previous version of each changed key. */
  readonly withPrevious: boolean;
}

// A portion ends with the revision that makes it this big, so that a slow watcher costs little time and memory.
const PORTION_BYTES = 1 << 20;
const PORTION_ENTRIES = 2000;

export function encodeLogEntry(entry: LoggedKey): Buffer {
  return Buffer.concat([Buffer.from([entry.type === 'put' ? 0 : 1]), entry.key]);
}

export function decodeLogEntry(value: Buffer): LoggedKey {
  return { type: value[0] === 0 ? 'put' : 'delete', key: value.subarray(1) };
}

/** Reads the next portion of the changes that a watcher wants: whole revisions, in order. */
export function readLog(keyspace: Keyspace, query: LogQuery): LogPortion {
  const { range, from, to, withPrevious } = query;
  const changes: LoggedChange[] = [];
  let bytes = 0;
  let entries = 0;
  let reached = from - 1;
  for (const { key: at, value } of keyspace.tables.log.getRange({ start: logKey(from, 0), end: logKey(to + 1, 0) })) {
    const revision = revisionOfLogKey(at);
    if (revision !== reached && (bytes >= PORTION_BYTES || entries >= PORTION_ENTRIES)) return { changes, reached };
    reached = revision;
    entries++;
    const { type, key } = decodeLogEntry(value);
    const record = inRange(key, range) ? keyspace.tables.history.get(historyKey(key, revision)) : undefined;
    if (!record) continue;
    const previous = withPrevious ? keyspace.before(key, revision) : undefined;
    changes.push({ revision, change: { type, key, record, previous } });
    bytes += record.length;
  }
  return { changes, reached: to };
}
