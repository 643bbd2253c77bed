import { GrpcError, STATUS } from '../grpc/index.ts';

/** Limit for a key, in bytes. */
export const MAX_KEY_BYTES = 1024;
// LMDB's limit is 1978 bytes; the history key adds an end mark and a revision.
const MAX_ENCODED_KEY_BYTES = 1900;

/** Keys from `from` up to and excluding `to`; without `to`, up to the last key. */
export interface KeyRange {
  readonly from: Buffer;
  readonly to: Buffer | undefined;
}

/** Interprets etcd's key and range_end: one key, a range, or with range_end "\0" all keys from `key` on. */
export function keyRange(key: Buffer, rangeEnd: Buffer): KeyRange {
  checkKey(key);
  if (rangeEnd.length === 0) return { from: key, to: Buffer.concat([key, ZERO]) };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { from: key, to: undefined };
  if (rangeEnd.length > MAX_KEY_BYTES + 1) throw tooLong(rangeEnd);
  return { from: key, to: rangeEnd };
}

export function inRange(key: Buffer, range: KeyRange): boolean {
  return range.from.compare(key) <= 0 && (range.to === undefined || range.to.compare(key) > 0);
}

/** Throws etcd's error for an empty key, and our own for a key too long for the database. */
export function checkKey(key: Buffer): void {
  if (key.length === 0) throw new GrpcError(STATUS.invalidArgument, 'etcdserver: key is not provided');
  if (key.length > MAX_KEY_BYTES || escapeKey(key).length > MAX_ENCODED_KEY_BYTES) throw tooLong(key);
}

function tooLong(key: Buffer): GrpcError {
  const what = `the key is too long (${key.length} bytes, at most ${MAX_KEY_BYTES} are allowed)`;
  return new GrpcError(STATUS.invalidArgument, what);
}

const ZERO = Buffer.from([0]);
const END_MARK = Buffer.from([0, 1]);

/** Escapes the key and appends an end mark: no escaped key is a prefix of another, and their order is the keys' own. */
export function escapeKey(key: Buffer): Buffer {
  if (!key.includes(0)) return Buffer.concat([key, END_MARK]);
  const bytes: number[] = [];
  for (const byte of key) byte === 0 ? bytes.push(0, 0xff) : bytes.push(byte);
  return Buffer.from([...bytes, 0, 1]);
}

const REVISION_BYTES = 8;

/** Makes the history's key for one version of a key: ordered by key, then by revision. */
export function historyKey(key: Buffer, revision: number): Buffer {
  const escaped = escapeKey(key);
  const out = Buffer.alloc(escaped.length + REVISION_BYTES);
  escaped.copy(out);
  out.writeUIntBE(revision, escaped.length + 2, 6);
  return out;
}

/** Splits a history key into the escaped key and the revision. */
export function splitHistoryKey(historyKey: Buffer): { escaped: Buffer; revision: number } {
  const end = historyKey.length - REVISION_BYTES;
  return { escaped: historyKey.subarray(0, end), revision: historyKey.readUIntBE(end + 2, 6) };
}

/** Makes the log's key for one change: ordered by revision, then by place in the revision. */
export function logKey(revision: number, place: number): Buffer {
  const out = Buffer.alloc(REVISION_BYTES + 4);
  out.writeUIntBE(revision, 2, 6);
  out.writeUInt32BE(place, REVISION_BYTES);
  return out;
}

export function revisionOfLogKey(key: Buffer): number {
  return key.readUIntBE(2, 6);
}

export function leaseKey(id: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(id);
  return out;
}
