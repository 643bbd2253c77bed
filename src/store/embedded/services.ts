import type { GrpcService, ServerStream, StreamHandler } from '../grpc/index.ts';
import { GrpcError, LongAnswer, STATUS } from '../grpc/index.ts';
import {
  CompactionRequest,
  DeleteRangeRequest,
  HeaderResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  METHODS,
  MemberListResponse,
  PutRequest,
  RangeRequest,
  StatusResponse,
  TxnRequest,
} from '../proto/index.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { Compactor } from './compactor.ts';
import type { Database } from './database.ts';
import { keyRange } from './keys.ts';
import type { Keyspace } from './keyspace.ts';
import type { Leases } from './leases.ts';
import { LongReads, SHORT_READ } from './long-reads.ts';
import { parse } from './parse.ts';
import {
  answerPut,
  answerRange,
  applyDeleteRange,
  applyTxn,
  checkPut,
  isReadOnly,
  readTxn,
  type TxnContext,
} from './txn.ts';
import { checkPutShape, checkTxn } from './txn-check.ts';
import type { WatchHub } from './watch-hub.ts';
import { WatchStream } from './watch-stream.ts';

/** The parts on which the services are built. */
export interface StoreParts {
  readonly database: Database;
  readonly keyspace: Keyspace;
  readonly queue: CommitQueue;
  readonly leases: Leases;
  readonly compactor: Compactor;
  readonly hub: WatchHub;
  readonly identity: Identity;
  readonly maxTxnOps: number;
  /** Returns the URL at which clients reach the store. */
  endpoint(): string;
}

/** The part of a response's header that does not change. */
export interface Identity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly raftTerm: bigint;
}

/** The etcd release whose behaviour the store follows. */
const ETCD_VERSION = '3.5.17';

/** Makes the etcd v3 services on these parts. */
export function storeService(parts: StoreParts): GrpcService {
  const context: TxnContext = {
    keyspace: parts.keyspace,
    header: (revision) => ({ ...parts.identity, revision }),
    checkLease: (id) => parts.leases.check(id),
  };
  return {
    unary: { ...kvMethods(parts, context), ...leaseMethods(parts, context), ...clusterMethods(parts, context) },
    streams: {
      [METHODS.watch]: (stream) => new WatchStream(parts.hub, stream),
      [METHODS.leaseKeepAlive]: (stream) => keepAliveStream(parts, context, stream),
    },
  };
}

function kvMethods(parts: StoreParts, context: TxnContext): GrpcService['unary'] {
  const { database, queue, compactor, keyspace, maxTxnOps } = parts;
  const longReads = new LongReads(database, context);
  return {
    [METHODS.range]: (message) => {
      const request = parse(RangeRequest, message);
      const isShort = keyspace.costOf(request, keyspace.revision()) <= SHORT_READ;
      return isShort ? answerRange(context, request, undefined) : new LongAnswer(longReads.read(request));
    },
    [METHODS.put]: (message) => {
      const put = parse(PutRequest, message);
      checkPutShape(put);
      return queue.submit((writer) => {
        checkPut(context, put);
        return answerPut(context, put, writer);
      }, message.length);
    },
    [METHODS.deleteRange]: (message) => {
      const request = parse(DeleteRangeRequest, message);
      keyRange(request.key, request.rangeEnd);
      return queue.submit((writer) => applyDeleteRange(context, request, writer), message.length);
    },
    [METHODS.txn]: (message) => {
      const request = parse(TxnRequest, message);
      checkTxn(request, maxTxnOps);
      if (isReadOnly(request)) return readTxn(context, request);
      return queue.submit((writer) => applyTxn(context, request, writer), message.length);
    },
    [METHODS.compact]: async (message) => {
      const { revision, physical } = parse(CompactionRequest, message);
      await compactor.compact(queue, revision);
      if (physical) await compactor.trim(queue);
      return HeaderResponse.encode({ header: context.header(keyspace.revision()) });
    },
  };
}

function leaseMethods({ leases, keyspace }: StoreParts, context: TxnContext): GrpcService['unary'] {
  const header = () => context.header(keyspace.revision());
  return {
    [METHODS.leaseGrant]: async (message) => {
      const { id, ttl } = parse(LeaseGrantRequest, message);
      return LeaseGrantResponse.encode({ header: header(), ...(await leases.grant(id, ttl)) });
    },
    [METHODS.leaseRevoke]: async (message) => {
      await leases.revoke(parse(LeaseRevokeRequest, message).id);
      return HeaderResponse.encode({ header: header() });
    },
    [METHODS.leaseTimeToLive]: (message) => {
      const { id, keys } = parse(LeaseTimeToLiveRequest, message);
      const attached = keys ? leases.keys(id) : [];
      return LeaseTimeToLiveResponse.encode({ header: header(), id, ...leases.timeToLive(id), keys: attached });
    },
    [METHODS.leaseLeases]: () => {
      return LeaseLeasesResponse.encode({ header: header(), leases: leases.ids().map((id) => ({ id })) });
    },
  };
}

function keepAliveStream({ leases, keyspace }: StoreParts, context: TxnContext, stream: ServerStream): StreamHandler {
  return {
    message(message) {
      const { id } = parse(LeaseKeepAliveRequest, message);
      const ttl = leases.keepAlive(id);
      stream.send(LeaseKeepAliveResponse.encode({ header: context.header(keyspace.revision()), id, ttl }));
    },
    finished: () => stream.end(),
    closed() {},
  };
}

function clusterMethods(parts: StoreParts, context: TxnContext): GrpcService['unary'] {
  const { keyspace, database, identity } = parts;
  return {
    [METHODS.memberList]: () => {
      const urls = [Buffer.from(parts.endpoint())];
      const member = { id: identity.memberId, name: 'embedded', clientUrls: urls };
      return MemberListResponse.encode({ header: context.header(keyspace.revision()), members: [member] });
    },
    [METHODS.status]: () => {
      const revision = keyspace.revision();
      const { fileBytes, usedBytes } = database.size();
      return StatusResponse.encode({
        header: context.header(revision),
        version: ETCD_VERSION,
        dbSize: fileBytes,
        dbSizeInUse: usedBytes,
        leader: identity.memberId,
        raftIndex: BigInt(revision),
        raftAppliedIndex: BigInt(revision),
        raftTerm: identity.raftTerm,
      });
    },
    // No alarms: a full disk fails the write that meets it.
    [METHODS.alarm]: () => HeaderResponse.encode({ header: context.header(keyspace.revision()) }),
    [METHODS.authenticate]: () => {
      throw new GrpcError(STATUS.failedPrecondition, 'etcdserver: authentication is not enabled');
    },
  };
}
