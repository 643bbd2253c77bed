import { GrpcError, STATUS } from '../grpc/index.ts';
import type { PutRequest, RequestOp, TxnRequest } from '../proto/index.ts';
import { checkKey, type KeyRange, keyRange, overlaps } from './keys.ts';

/** What a transaction changes, to find keys that it would change twice. */
interface Touched {
  readonly puts: Buffer[];
  readonly deletes: KeyRange[];
}

/** Throws what etcd answers for a transaction that is too large, or that puts a key twice or also deletes it. */
export function checkTxn(request: TxnRequest, maxOps: number): void {
  const counts = [request.compare.length, request.success.length, request.failure.length];
  if (Math.max(...counts) > maxOps) {
    throw new GrpcError(STATUS.invalidArgument, 'etcdserver: too many operations in txn request');
  }
  for (const compare of request.compare) keyRange(compare.key, compare.rangeEnd);
  for (const branch of [request.success, request.failure]) {
    checkBranch(branch, { puts: [], deletes: [] });
    for (const op of branch) if (op.txn) checkTxn(op.txn, maxOps);
  }
}

function checkBranch(ops: readonly RequestOp[], touched: Touched): void {
  for (const op of ops) {
    if (op.range) keyRange(op.range.key, op.range.rangeEnd);
    if (op.deleteRange) noteDelete(keyRange(op.deleteRange.key, op.deleteRange.rangeEnd), touched);
    if (op.put) notePut(op.put, touched);
    if (op.txn) for (const branch of [op.txn.success, op.txn.failure]) checkBranch(branch, touched);
  }
}

function noteDelete(range: KeyRange, touched: Touched): void {
  if (touched.puts.some((key) => overlaps(range, keyRange(key, Buffer.alloc(0))))) throw duplicate();
  touched.deletes.push(range);
}

function notePut(put: PutRequest, touched: Touched): void {
  checkPutShape(put);
  const range = keyRange(put.key, Buffer.alloc(0));
  if (touched.puts.some((key) => key.equals(put.key))) throw duplicate();
  if (touched.deletes.some((deleted) => overlaps(deleted, range))) throw duplicate();
  touched.puts.push(put.key);
}

/** Throws what etcd answers for a put that contradicts itself. */
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
