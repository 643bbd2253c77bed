import { GrpcError, STATUS } from '../grpc/index.ts';
import { KeyValue, type RangeRequest } from '../proto/index.ts';
import type { Tables } from './database.ts';
import { escapeKey, historyKey, type KeyRange, keyRange, splitHistoryKey } from './keys.ts';

/** One key put or deleted in a revision. Records are encoded KeyValue messages. */
export interface Change {
  readonly type: 'put' | 'delete';
  readonly key: Buffer;
  readonly record: Buffer;
  readonly previous: Buffer | undefined;
}

export interface RangeResult {
  readonly kvs: readonly Buffer[];
  readonly more: boolean;
  /** Keys in the range, whatever the limit. */
  readonly count: number;
}

const REVISION = Buffer.from('revision');
const COMPACTED = Buffer.from('compacted');

/** Reads of the keys and their history, all in the snapshot or write transaction that is current. */
export class Keyspace {
  readonly tables: Tables;

  constructor(tables: Tables) {
    this.tables = tables;
  }

  /** The last revision; a new store has revision 1, as etcd's. */
  revision(): number {
    return readNumber(this.tables.meta.get(REVISION)) || 1;
  }

  setRevision(revision: number): void {
    this.tables.meta.put(REVISION, numberBytes(revision));
  }

  /** Revisions before this one are gone. */
  compactedRevision(): number {
    return readNumber(this.tables.meta.get(COMPACTED));
  }

  setCompactedRevision(revision: number): void {
    this.tables.meta.put(COMPACTED, numberBytes(revision));
  }

  get(key: Buffer): Buffer | undefined {
    return this.tables.current.get(key);
  }

  /** Answers a range request as of the revision that it names; throws what etcd answers for one out of reach. */
  range(request: RangeRequest, revision: number): RangeResult {
    const range = keyRange(request.key, request.rangeEnd);
    if (request.revision > revision) throw futureRevision();
    if (request.revision > 0 && request.revision < this.compactedRevision()) throw compacted();
    const past = request.revision > 0 && request.revision < revision;
    const result = isPlain(request) && !past ? this.#rangeNow(range, request) : this.#select(range, request, past);
    return request.keysOnly ? { ...result, kvs: result.kvs.map(withoutValue) } : result;
  }

  /** The keys in a range as they are now, in order. */
  keys(range: KeyRange): Buffer[] {
    return [...this.tables.current.getKeys(bounds(range))];
  }

  /** The version of `key` that was current just before `revision`, unless there was none or it is compacted. */
  before(key: Buffer, revision: number): Buffer | undefined {
    const options = { start: historyKey(key, revision - 1), end: escapeKey(key), reverse: true, limit: 1 };
    for (const { value } of this.tables.history.getRange(options)) return isDeletion(value) ? undefined : value;
    return undefined;
  }

  #rangeNow(range: KeyRange, request: RangeRequest): RangeResult {
    const { current } = this.tables;
    if (request.rangeEnd.length === 0) return single(current.get(range.from), request);
    if (isEmpty(range)) return { kvs: [], more: false, count: 0 };
    if (request.countOnly) return { kvs: [], more: false, count: current.getKeysCount(bounds(range)) };
    const kvs: Buffer[] = [];
    let more = false;
    for (const { value } of current.getRange(bounds(range))) {
      if (request.limit > 0 && kvs.length === request.limit) {
        more = true;
        break;
      }
      kvs.push(value);
    }
    return { kvs, more, count: more ? current.getKeysCount(bounds(range)) : kvs.length };
  }

  #select(range: KeyRange, request: RangeRequest, past: boolean): RangeResult {
    const all = past ? this.#historical(range, request.revision) : this.#all(range);
    if (request.countOnly) return { kvs: [], more: false, count: all.length };
    const wanted = isPlain(request) ? all : sorted(filtered(all, request), request);
    const limited = request.limit > 0 ? wanted.slice(0, request.limit) : wanted;
    return { kvs: limited, more: limited.length < wanted.length, count: all.length };
  }

  #all(range: KeyRange): Buffer[] {
    if (isEmpty(range)) return [];
    return Array.from(this.tables.current.getRange(bounds(range)), ({ value }) => value);
  }

  /** The records of a range as they were at a past revision: of each key its last version up to then. */
  #historical(range: KeyRange, revision: number): Buffer[] {
    if (isEmpty(range)) return [];
    const start = escapeKey(range.from);
    const end = range.to && escapeKey(range.to);
    const kvs: Buffer[] = [];
    let last: { escaped: Buffer; value: Buffer } | undefined;
    const take = () => {
      if (last && !isDeletion(last.value)) kvs.push(last.value);
    };
    for (const { key, value } of this.tables.history.getRange(end ? { start, end } : { start })) {
      const at = splitHistoryKey(key);
      if (at.revision > revision) continue;
      if (last && !last.escaped.equals(at.escaped)) take();
      last = { escaped: at.escaped, value };
    }
    take();
    return kvs;
  }
}

function bounds(range: KeyRange): { start: Buffer; end?: Buffer } {
  return range.to ? { start: range.from, end: range.to } : { start: range.from };
}

function isEmpty(range: KeyRange): boolean {
  return range.to !== undefined && range.to.compare(range.from) <= 0;
}

function single(record: Buffer | undefined, request: RangeRequest): RangeResult {
  if (!record) return { kvs: [], more: false, count: 0 };
  return { kvs: request.countOnly ? [] : [record], more: false, count: 1 };
}

/** True for a request that wants neither another order than the keys' nor only some of the keys. */
function isPlain(request: RangeRequest): boolean {
  const { sortOrder, sortTarget, minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  const ordered = sortTarget === SORT_BY_KEY && sortOrder !== DESCENDING;
  return ordered && !(minModRevision || maxModRevision || minCreateRevision || maxCreateRevision);
}

const SORT_BY_KEY = 0;
const DESCENDING = 2;

function filtered(records: readonly Buffer[], request: RangeRequest): KeyValue[] {
  const within = (value: number, min: number, max: number) => (!min || value >= min) && (!max || value <= max);
  return records
    .map((record) => KeyValue.decode(record))
    .filter((kv) => within(kv.modRevision, request.minModRevision, request.maxModRevision))
    .filter((kv) => within(kv.createRevision, request.minCreateRevision, request.maxCreateRevision));
}

const SORTS: readonly ((a: KeyValue, b: KeyValue) => number)[] = [
  (a, b) => a.key.compare(b.key),
  (a, b) => a.version - b.version,
  (a, b) => a.createRevision - b.createRevision,
  (a, b) => a.modRevision - b.modRevision,
  (a, b) => a.value.compare(b.value),
];

function sorted(kvs: readonly KeyValue[], request: RangeRequest): Buffer[] {
  const compare = SORTS[request.sortTarget];
  if (!compare) throw new GrpcError(STATUS.invalidArgument, 'etcdserver: invalid sort option');
  const ordered = kvs.toSorted(request.sortOrder === DESCENDING ? (a, b) => compare(b, a) : compare);
  return ordered.map((kv) => KeyValue.encode(kv));
}

function withoutValue(record: Buffer): Buffer {
  return KeyValue.encode({ ...KeyValue.decode(record), value: Buffer.alloc(0) });
}

/** A deletion is kept as a record without version. */
export function isDeletion(record: Buffer): boolean {
  return KeyValue.decode(record).version === 0;
}

/** What etcd answers for a revision before the last compaction. */
export function compacted(): GrpcError {
  return new GrpcError(STATUS.outOfRange, 'etcdserver: mvcc: required revision has been compacted');
}

/** What etcd answers for a revision that is not reached yet. */
export function futureRevision(): GrpcError {
  return new GrpcError(STATUS.outOfRange, 'etcdserver: mvcc: required revision is a future revision');
}

function numberBytes(value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeUIntBE(value, 2, 6);
  return out;
}

function readNumber(bytes: Buffer | undefined): number {
  return bytes ? bytes.readUIntBE(2, 6) : 0;
}
