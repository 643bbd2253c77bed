import { GrpcError, STATUS } from '../grpc/index.ts';
import type { PutRequest, RequestOp, TxnRequest } from '../proto/index.ts';
import { checkKey, inRange, type KeyRange, keyRange } from './keys.ts';

/** The keys that a branch of a transaction changes, to find a key that it would change twice. Put keys as latin1. */
interface Touched {
  readonly puts: readonly string[];
  readonly deletes: readonly KeyRange[];
}

/**
 * Throws etcd's errors for a transaction that is too large, or that puts a key twice or also deletes it. As in etcd, a
 * transaction counts as many operations as the longest of its three lists. etcd adds those of nested transactions along
 * a path only, so that 163 KB could ask for hours of work; here `maxOps` bounds the sum of all of them.
 */
export function checkTxn(request: TxnRequest, maxOps: number): void {
  checkCount(request, maxOps);
  checkShape(request);
}

/** Returns how many operations remain of `left`. */
function checkCount({ compare, success, failure }: TxnRequest, left: number): number {
  let rest = left - Math.max(compare.length, success.length, failure.length);
  // Count before descending, so that no nesting is deeper than the limit.
  if (rest < 0) throw new GrpcError(STATUS.invalidArgument, 'etcdserver: too many operations in txn request');
  for (const { txn } of [...success, ...failure]) if (txn) rest = checkCount(txn, rest);
  return rest;
}

/** Returns the keys that each branch changes. */
function checkShape({ compare, success, failure }: TxnRequest): readonly [Touched, Touched] {
  for (const { key, rangeEnd } of compare) keyRange(key, rangeEnd);
  return [touchedBy(success), touchedBy(failure)];
}

/**
 * Throws when a key is put twice, or put and deleted. The two branches of a nested transaction exclude each other.
 * Stricter than etcd in one point: a key put by one nested transaction may not be deleted by the next.
 */
function touchedBy(ops: readonly RequestOp[]): Touched {
  const parts = ops.map(touchedByOp);
  const putBy = new Map<string, number>();
  parts.forEach(({ puts }, at) => {
    for (const key of puts) {
      if ((putBy.get(key) ?? at) !== at) throw duplicate();
      putBy.set(key, at);
    }
  });
  parts.forEach(({ deletes }, at) => {
    if (deletes.length === 0) return;
    for (const [key, by] of putBy) {
      const bytes = by === at ? undefined : Buffer.from(key, 'latin1');
      if (bytes && deletes.some((range) => inRange(bytes, range))) throw duplicate();
    }
  });
  return { puts: parts.flatMap(({ puts }) => puts), deletes: parts.flatMap(({ deletes }) => deletes) };
}

function touchedByOp({ range, put, deleteRange, txn }: RequestOp): Touched {
  if (range) keyRange(range.key, range.rangeEnd);
  if (put) {
    checkPutShape(put);
    return { puts: [put.key.toString('latin1')], deletes: [] };
  }
  if (deleteRange) return { puts: [], deletes: [keyRange(deleteRange.key, deleteRange.rangeEnd)] };
  if (!txn) return { puts: [], deletes: [] };
  const [success, failure] = checkShape(txn);
  return { puts: [...success.puts, ...failure.puts], deletes: [...success.deletes, ...failure.deletes] };
}

/** Throws etcd's errors for a put that contradicts itself. */
export function checkPutShape(put: PutRequest): void {
  checkKey(put.key);
  if (put.ignoreValue && put.value.length > 0) {
    throw new GrpcError(STATUS.invalidArgument, 'etcdserver: value is provided');
  }
  if (put.ignoreLease && put.lease !== 0n) {
    throw new GrpcError(STATUS.invalidArgument, 'etcdserver: lease is provided');
  }
}

function duplicate(): GrpcError {
  return new GrpcError(STATUS.invalidArgument, 'etcdserver: duplicate key given in txn request');
}
