import { GrpcError, STATUS } from '../grpc/index.ts';
import type { PutRequest, RequestOp, TxnRequest } from '../proto/index.ts';
import { checkKey, inRange, type KeyRange, keyRange } from './keys.ts';

/** What a branch of a transaction changes, to find keys that it would change twice. */
interface Touched {
  readonly puts: readonly Buffer[];
  readonly deletes: readonly KeyRange[];
}

/** Throws what etcd answers for a transaction that is too large, or that puts a key twice or also deletes it. */
export function checkTxn(request: TxnRequest, maxOps: number): void {
  const counts = [request.compare.length, request.success.length, request.failure.length];
  if (Math.max(...counts) > maxOps) {
    throw new GrpcError(STATUS.invalidArgument, 'etcdserver: too many operations in txn request');
  }
  for (const compare of request.compare) keyRange(compare.key, compare.rangeEnd);
  for (const branch of [request.success, request.failure]) {
    for (const op of branch) checkOp(op, maxOps);
    touchedBy(branch);
  }
}

function checkOp(op: RequestOp, maxOps: number): void {
  if (op.range) keyRange(op.range.key, op.range.rangeEnd);
  if (op.deleteRange) keyRange(op.deleteRange.key, op.deleteRange.rangeEnd);
  if (op.put) checkPutShape(op.put);
  if (op.txn) checkTxn(op.txn, maxOps);
}

/**
 * Throws when a key would be put twice, or put and deleted. The two branches of a transaction inside this one exclude
 * each other. Stricter than etcd in one point: a key put by one inner transaction may not be deleted by the next.
 */
function touchedBy(ops: readonly RequestOp[]): Touched {
  const parts = ops.map(touchedByOp);
  parts.forEach((part, at) => {
    const others = parts.filter((_, other) => other !== at);
    const putElsewhere = others
      .slice(at)
      .some(({ puts }) => puts.some((key) => part.puts.some((own) => own.equals(key))));
    const deletedElsewhere = others.some(({ deletes }) =>
      part.puts.some((key) => deletes.some((range) => inRange(key, range))),
    );
    if (putElsewhere || deletedElsewhere) throw duplicate();
  });
  return { puts: parts.flatMap(({ puts }) => puts), deletes: parts.flatMap(({ deletes }) => deletes) };
}

function touchedByOp({ put, deleteRange, txn }: RequestOp): Touched {
  if (put) return { puts: [put.key], deletes: [] };
  if (deleteRange) return { puts: [], deletes: [keyRange(deleteRange.key, deleteRange.rangeEnd)] };
  if (!txn) return { puts: [], deletes: [] };
  const [success, failure] = [touchedBy(txn.success), touchedBy(txn.failure)];
  return { puts: [...success.puts, ...failure.puts], deletes: [...success.deletes, ...failure.deletes] };
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
