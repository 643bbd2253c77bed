import { GrpcError, STATUS } from '../grpc/index.ts';
import {
  COMPARE_RESULTS,
  COMPARE_TARGETS,
  type Compare,
  type DeleteRangeRequest,
  DeleteRangeResponse,
  EncodedRangeResponse,
  KeyValue,
  type PutRequest,
  PutResponse,
  type RangeRequest,
  type RequestOp,
  ResponseOp,
  type TxnRequest,
  TxnResponse,
} from '../proto/index.ts';
import { keyRange } from './keys.ts';
import type { Keyspace, RangeResult } from './keyspace.ts';
import type { RevisionWriter } from './revision-writer.ts';
import { TxnWork } from './txn-work.ts';

/** The branch of a transaction that its conditions have selected. */
interface Chosen {
  readonly succeeded: boolean;
  readonly ops: readonly ChosenOp[];
}

interface ChosenOp {
  readonly op: RequestOp;
  readonly txn: Chosen | undefined;
}

/** The surroundings of a transaction. */
export interface TxnContext {
  readonly keyspace: Keyspace;
  /** Makes the header of a response. */
  header(revision: number): { readonly revision: number };
  /** Throws etcd's error when a put names a lease that does not exist. */
  checkLease(id: bigint): void;
}

/** Evaluates the conditions and applies the branch that they select. Throws only before it writes. */
export function applyTxn(context: TxnContext, request: TxnRequest, writer: RevisionWriter): Buffer {
  return encodeChosen(context, checked(context, request, writer.revision - 1), writer);
}

/** Responds to a transaction that only reads, from the current snapshot. */
export function readTxn(context: TxnContext, request: TxnRequest): Buffer {
  return encodeChosen(context, checked(context, request, context.keyspace.revision()), undefined);
}

function checked(context: TxnContext, request: TxnRequest, revision: number): Chosen {
  const work = new TxnWork(context.keyspace, revision);
  const chosen = choose(context.keyspace, request, work);
  checkChosen(context, chosen, work, 1);
  return chosen;
}

/** True when no branch writes. */
export function isReadOnly(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every((op) => op.range || (op.txn && isReadOnly(op.txn)));
}

function choose(keyspace: Keyspace, request: TxnRequest, work: TxnWork): Chosen {
  const succeeded = request.compare.every((compare) => holds(keyspace, compare, work));
  const ops = succeeded ? request.success : request.failure;
  return { succeeded, ops: ops.map((op) => ({ op, txn: op.txn && choose(keyspace, op.txn, work) })) };
}

const ABSENT: KeyValue = KeyValue.decode(Buffer.alloc(0));

function holds(keyspace: Keyspace, compare: Compare, work: TxnWork): boolean {
  const isOne = compare.rangeEnd.length === 0;
  if (!isOne) work.addRange(compare);
  const one = isOne ? keyspace.get(compare.key) : undefined;
  const records = isOne ? (one ? [one] : []) : keyspace.records(keyRange(compare.key, compare.rangeEnd));
  let found = false;
  for (const record of records) {
    found = true;
    if (!comparesTrue(KeyValue.decode(record), compare)) return false;
  }
  // As in etcd, a key that does not exist has no value to compare, not even for "not equal".
  return found || (COMPARE_TARGETS[compare.target] !== 'value' && comparesTrue(ABSENT, compare));
}

function comparesTrue(kv: KeyValue, compare: Compare): boolean {
  const order = orderOf(kv, compare);
  switch (COMPARE_RESULTS[compare.result]) {
    case 'equal':
      return order === 0;
    case 'greater':
      return order > 0;
    case 'less':
      return order < 0;
    case 'not-equal':
      return order !== 0;
    default:
      throw new GrpcError(STATUS.invalidArgument, 'the comparison has an unknown operator');
  }
}

function orderOf(kv: KeyValue, compare: Compare): number {
  const target = COMPARE_TARGETS[compare.target];
  if (target === undefined) throw new GrpcError(STATUS.invalidArgument, 'the comparison has an unknown target');
  if (target === 'value') return kv.value.compare(compare.value);
  if (target === 'lease') return Number(BigInt.asIntN(64, kv.lease - compare.lease));
  return kv[target] - compare[target];
}

/** `depth` is the number of responses around those of these operations; each of them holds a copy. */
function checkChosen(context: TxnContext, chosen: Chosen, work: TxnWork, depth: number): void {
  for (const { op, txn } of chosen.ops) {
    if (op.put) {
      checkPut(context, op.put);
      work.addPut(op.put, depth);
    }
    if (op.range) work.addRead(op.range, depth);
    if (op.deleteRange) work.addDelete(op.deleteRange, depth);
    if (txn) checkChosen(context, txn, work, depth + 1);
  }
}

/** Throws etcd's errors for a put that cannot be done. */
export function checkPut(context: TxnContext, put: PutRequest): void {
  if (put.lease !== 0n) context.checkLease(put.lease);
  if ((put.ignoreValue || put.ignoreLease) && !context.keyspace.get(put.key)) {
    throw new GrpcError(STATUS.invalidArgument, 'etcdserver: key not found');
  }
}

function encodeChosen(context: TxnContext, chosen: Chosen, writer: RevisionWriter | undefined, nested = false): Buffer {
  // As in etcd, only the outermost response names the cluster, and the response of a nested transaction not even a
  // revision.
  const inner: TxnContext = { ...context, header: (revision) => ({ revision }) };
  const responses = chosen.ops.map(({ op, txn }) => {
    if (op.range) return ResponseOp.encode({ range: answerRange(inner, op.range, writer) });
    if (txn) return ResponseOp.encode({ txn: encodeChosen(context, txn, writer, true) });
    if (op.put && writer) return ResponseOp.encode({ put: answerPut(inner, op.put, writer) });
    if (op.deleteRange && writer) {
      return ResponseOp.encode({ deleteRange: answerDeleteRange(inner, op.deleteRange, writer) });
    }
    throw new GrpcError(STATUS.invalidArgument, 'etcdserver: the transaction has an operation of no known kind');
  });
  return TxnResponse.encode({
    header: nested ? {} : context.header(reached(context, writer)),
    succeeded: chosen.succeeded,
    responses,
  });
}

/** Returns the revision for a response: that of the writes so far, else the current one. */
function reached(context: TxnContext, writer: RevisionWriter | undefined): number {
  if (!writer) return context.keyspace.revision();
  return writer.changes.length > 0 ? writer.revision : writer.revision - 1;
}

export function answerRange(context: TxnContext, range: RangeRequest, writer: RevisionWriter | undefined): Buffer {
  const revision = reached(context, writer);
  return encodeRange(context, revision, context.keyspace.range(range, revision));
}

export function encodeRange(context: TxnContext, revision: number, result: RangeResult): Buffer {
  return EncodedRangeResponse.encode({ header: context.header(revision), ...result });
}

export function answerPut(context: TxnContext, put: PutRequest, writer: RevisionWriter): Buffer {
  const previous = writer.put(put);
  return PutResponse.encode({ header: context.header(writer.revision), prevKv: put.prevKv ? previous : undefined });
}

/** Throws `etcdserver: too many operations in txn request` before it deletes more keys than one revision may. */
export function applyDeleteRange(context: TxnContext, request: DeleteRangeRequest, writer: RevisionWriter): Buffer {
  new TxnWork(context.keyspace, writer.revision - 1).addDelete(request, 1);
  return answerDeleteRange(context, request, writer);
}

function answerDeleteRange(context: TxnContext, request: DeleteRangeRequest, writer: RevisionWriter): Buffer {
  const range = keyRange(request.key, request.rangeEnd);
  const keys = request.rangeEnd.length === 0 ? [Buffer.from(request.key)] : context.keyspace.keys(range);
  const deleted = keys.map((key) => writer.delete(key)).filter((record) => record !== undefined);
  const header = context.header(reached(context, writer));
  return DeleteRangeResponse.encode({
    header,
    deleted: deleted.length,
    prevKvs: request.prevKv ? deleted : undefined,
  });
}
