import { GrpcError, STATUS } from '../grpc/index.ts';
import { KeyValue, type RangeRequest } from '../proto/index.ts';
import type { ReadTransaction, Tables } from './database.ts';
import { escapeKey, historyKey, type KeyRange, keyRange, splitHistoryKey } from './keys.ts';

/** One key put or deleted in a revision. Records are encoded KeyValue messages. */
export interface KeyChange {
  readonly type: 'put' | 'delete';
  readonly key: Buffer;
  readonly record: Buffer;
  readonly previous: Buffer | undefined;
}

export interface RangeResult {
  readonly kvs: readonly Buffer[];
  readonly more: boolean;
  /** The number of keys in the range, regardless of the limit. */
  readonly count: number;
}

const REVISION = Buffer.from('revision');
const COMPACTED = Buffer.from('compacted');

/** Encoding a longer response would hold the event loop. */
export const MAX_RESPONSE_BYTES: number = 32 << 20;
/** Limit of sorted records: sorting cannot be split into turns. */
const MAX_SORTED = 10_000;
/** Records read between two pauses. */
const STEP_RECORDS = 1000;
/** Records counted in the time in which one is read. */
const COUNTED_PER_READ = 16;

/** Reads the keys and their history, in the current snapshot or write transaction, or in a given snapshot. */
export class Keyspace {
  readonly tables: Tables;
  readonly #in: { readonly transaction?: ReadTransaction };

  constructor(tables: Tables, snapshot?: ReadTransaction) {
    this.tables = tables;
    this.#in = snapshot === undefined ? {} : { transaction: snapshot };
  }

  /** Returns the last revision; a new store has revision 1, as in etcd. */
  revision(): number {
    return readNumber(this.tables.meta.get(REVISION, this.#in)) || 1;
  }

  setRevision(revision: number): void {
    this.tables.meta.put(REVISION, numberBytes(revision));
  }

  /** Returns the oldest readable revision. */
  compactedRevision(): number {
    return readNumber(this.tables.meta.get(COMPACTED, this.#in));
  }

  setCompactedRevision(revision: number): void {
    this.tables.meta.put(COMPACTED, numberBytes(revision));
  }

  get(key: Buffer): Buffer | undefined {
    return this.tables.current.get(key, this.#in);
  }

  /** Carries out a range request at the revision that it names; throws the errors of `checkRange`. */
  range(request: RangeRequest, revision: number): RangeResult {
    const steps = this.rangeInSteps(request, revision);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  }

  /** Like `range`, with a pause after each thousand records. */
  *rangeInSteps(request: RangeRequest, revision: number): Generator<void, RangeResult> {
    this.checkRange(request, revision);
    const range = keyRange(request.key, request.rangeEnd);
    const past = isPast(request, revision);
    if (!past && isPlain(request) && (request.rangeEnd.length === 0 || request.countOnly || request.limit > 0))
      return this.#part(range, request);
    const records = past ? this.#historical(range, request.revision) : this.records(range);
    return yield* select(records, request);
  }

  /** Throws etcd's errors for a range request that cannot be carried out. */
  checkRange(request: RangeRequest, revision: number): void {
    keyRange(request.key, request.rangeEnd);
    if (request.revision > revision) throw futureRevision();
    if (request.revision > 0 && request.revision < this.compactedRevision()) throw compacted();
    if (SORTS[request.sortTarget] === undefined) {
      throw new GrpcError(STATUS.invalidArgument, 'etcdserver: invalid sort option');
    }
  }

  /** Estimates the number of records that a range request reads. */
  costOf(request: RangeRequest, revision: number): number {
    if (request.rangeEnd.length === 0 && !isPast(request, revision)) return 1;
    const range = keyRange(request.key, request.rangeEnd);
    if (isPast(request, revision)) return this.#countVersions(range);
    const count = this.count(range);
    if (!isPlain(request)) return count;
    const counted = Math.ceil(count / COUNTED_PER_READ);
    if (request.countOnly) return counted;
    return request.limit > 0 && request.limit < count ? request.limit + counted : count;
  }

  /** Counts the keys in a range. */
  count(range: KeyRange): number {
    return isEmpty(range) ? 0 : this.tables.current.getKeysCount({ ...bounds(range), ...this.#in });
  }

  /** Lists the current keys in a range, in order. */
  keys(range: KeyRange): Buffer[] {
    return isEmpty(range) ? [] : [...this.tables.current.getKeys({ ...bounds(range), ...this.#in })];
  }

  /** Returns the version of `key` just before `revision`; undefined if there was none or it is compacted. */
  before(key: Buffer, revision: number): Buffer | undefined {
    const options = { start: historyKey(key, revision - 1), end: escapeKey(key), reverse: true, limit: 1 };
    for (const { value } of this.tables.history.getRange(options)) return isDeletion(value) ? undefined : value;
    return undefined;
  }

  /** Yields the current records of a range in the order of keys. */
  *records(range: KeyRange): Generator<Buffer> {
    if (isEmpty(range)) return;
    for (const { value } of this.tables.current.getRange({ ...bounds(range), ...this.#in })) yield value;
  }

  #part(range: KeyRange, request: RangeRequest): RangeResult {
    if (request.rangeEnd.length === 0) return single(this.get(range.from), request);
    if (request.countOnly) return { kvs: [], more: false, count: this.count(range) };
    const kvs: Buffer[] = [];
    let more = false;
    const size = new ResponseSize();
    for (const record of this.records(range)) {
      if (kvs.length === request.limit) {
        more = true;
        break;
      }
      kvs.push(size.add(request.keysOnly ? withoutValue(record) : record));
    }
    return { kvs, more, count: more ? this.count(range) : kvs.length };
  }

  /** Yields the records of a range at a past revision: of each key its last version up to then. */
  *#historical(range: KeyRange, revision: number): Generator<Buffer | undefined> {
    if (isEmpty(range)) return;
    let last: { escaped: Buffer; value: Buffer } | undefined;
    for (const { key, value } of this.tables.history.getRange({ ...escapedBounds(range), ...this.#in })) {
      const at = splitHistoryKey(key);
      const isNext = last !== undefined && !last.escaped.equals(at.escaped);
      yield isNext ? present(last!.value) : undefined;
      if (isNext) last = undefined;
      if (at.revision <= revision) last = { escaped: at.escaped, value };
    }
    yield last && present(last.value);
  }

  #countVersions(range: KeyRange): number {
    return isEmpty(range) ? 0 : this.tables.history.getKeysCount({ ...escapedBounds(range), ...this.#in });
  }
}

/** Selects the records for a request; an undefined record was read but is not in the range at that revision. */
function* select(records: Iterable<Buffer | undefined>, request: RangeRequest): Generator<void, RangeResult> {
  const kvs: Buffer[] = [];
  const toSort: KeyValue[] = [];
  const [isFiltered, sorts] = [hasFilters(request), isSorted(request)];
  const size = new ResponseSize();
  let [seen, count, wanted] = [0, 0, 0];
  for (const record of records) {
    if (++seen % STEP_RECORDS === 0) yield;
    if (record === undefined) continue;
    count++;
    if (request.countOnly) continue;
    const kv = isFiltered || sorts ? KeyValue.decode(record) : undefined;
    if (kv && isFiltered && !passes(kv, request)) continue;
    wanted++;
    if (kv && sorts) {
      if (toSort.push(kv) > MAX_SORTED) throw tooManyToSort();
    } else if (request.limit === 0 || kvs.length < request.limit || isBackwards(request)) {
      kvs.push(size.add(request.keysOnly ? withoutValue(record) : record));
      // Trim rarely, so that the cost per record stays small.
      if (isBackwards(request) && request.limit > 0 && kvs.length >= 2 * request.limit)
        for (const record of kvs.splice(0, kvs.length - request.limit)) size.remove(record);
    }
  }
  const ordered = sorts ? sorted(toSort, request, size) : isBackwards(request) ? backwards(kvs, request) : kvs;
  return { kvs: ordered, more: ordered.length < wanted, count };
}

function backwards(kvs: readonly Buffer[], { limit }: RangeRequest): Buffer[] {
  return (limit > 0 ? kvs.slice(-limit) : kvs).toReversed();
}

/** Adds up the size of a response; throws when it becomes too large. */
class ResponseSize {
  #bytes = 0;

  add(record: Buffer): Buffer {
    this.#bytes += record.length;
    if (this.#bytes > MAX_RESPONSE_BYTES) throw tooLarge();
    return record;
  }

  remove(record: Buffer): void {
    this.#bytes -= record.length;
  }
}

/** Makes the error, in gRPC's words, for a response above the sender's limit. */
export function tooLarge(): GrpcError {
  const what = `trying to send message larger than max (${MAX_RESPONSE_BYTES} bytes): read fewer keys at a time`;
  return new GrpcError(STATUS.resourceExhausted, what);
}

function tooManyToSort(): GrpcError {
  const what = `the range has more than ${MAX_SORTED} keys to sort: read them in the order of keys, or a smaller range`;
  return new GrpcError(STATUS.resourceExhausted, what);
}

function bounds(range: KeyRange): { start: Buffer; end?: Buffer } {
  return range.to ? { start: range.from, end: range.to } : { start: range.from };
}

/** Returns the bounds of the range among escaped keys, as in the history. */
function escapedBounds(range: KeyRange): { start: Buffer; end?: Buffer } {
  return bounds({ from: escapeKey(range.from), to: range.to && escapeKey(range.to) });
}

function isEmpty(range: KeyRange): boolean {
  return range.to !== undefined && range.to.compare(range.from) <= 0;
}

function single(record: Buffer | undefined, request: RangeRequest): RangeResult {
  if (!record) return { kvs: [], more: false, count: 0 };
  const kvs = request.countOnly ? [] : [request.keysOnly ? withoutValue(record) : record];
  return { kvs, more: false, count: 1 };
}

/** True for a request in the order of keys without filters. */
function isPlain(request: RangeRequest): boolean {
  return !isBackwards(request) && !isSorted(request) && !hasFilters(request);
}

function isPast(request: RangeRequest, revision: number): boolean {
  return request.revision > 0 && request.revision < revision;
}

const SORT_BY_KEY = 0;
const DESCENDING = 2;

/** True for a request by key in descending order. */
function isBackwards({ sortOrder, sortTarget }: RangeRequest): boolean {
  return sortTarget === SORT_BY_KEY && sortOrder === DESCENDING;
}

function isSorted({ sortTarget }: RangeRequest): boolean {
  return sortTarget !== SORT_BY_KEY;
}

function hasFilters({ minModRevision, maxModRevision, minCreateRevision, maxCreateRevision }: RangeRequest): boolean {
  return Boolean(minModRevision || maxModRevision || minCreateRevision || maxCreateRevision);
}

function passes(kv: KeyValue, request: RangeRequest): boolean {
  const within = (value: number, min: number, max: number) => (!min || value >= min) && (!max || value <= max);
  return (
    within(kv.modRevision, request.minModRevision, request.maxModRevision) &&
    within(kv.createRevision, request.minCreateRevision, request.maxCreateRevision)
  );
}

const SORTS: readonly ((a: KeyValue, b: KeyValue) => number)[] = [
  (a, b) => a.key.compare(b.key),
  (a, b) => a.version - b.version,
  (a, b) => a.createRevision - b.createRevision,
  (a, b) => a.modRevision - b.modRevision,
  (a, b) => a.value.compare(b.value),
];

function sorted(kvs: readonly KeyValue[], request: RangeRequest, size: ResponseSize): Buffer[] {
  const compare = SORTS[request.sortTarget]!;
  const ordered = kvs.toSorted(request.sortOrder === DESCENDING ? (a, b) => compare(b, a) : compare);
  const limited = request.limit > 0 ? ordered.slice(0, request.limit) : ordered;
  return limited.map((kv) => size.add(KeyValue.encode(request.keysOnly ? { ...kv, value: NO_VALUE } : kv)));
}

const NO_VALUE = Buffer.alloc(0);

function withoutValue(record: Buffer): Buffer {
  return KeyValue.encode({ ...KeyValue.decode(record), value: NO_VALUE });
}

function present(record: Buffer): Buffer | undefined {
  return isDeletion(record) ? undefined : record;
}

/** True for a deletion, which is kept as a record without version. */
export function isDeletion(record: Buffer): boolean {
  return KeyValue.decode(record).version === 0;
}

/** Makes etcd's error for a revision before the last compaction. */
export function compacted(): GrpcError {
  return new GrpcError(STATUS.outOfRange, 'etcdserver: mvcc: required revision has been compacted');
}

/** Makes etcd's error for a revision that is not reached yet. */
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
