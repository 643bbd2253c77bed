import type { UnaryCall } from './etcd-client.ts';
import {
  HeaderResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  METHODS,
  RangeRequest,
  RangeResponse,
  StatusResponse,
  TxnRequest,
  TxnResponse,
} from './proto/index.ts';

function define<In, Out>(
  path: string,
  request: UnaryCall<In, Out>['request'],
  response: UnaryCall<In, Out>['response'],
  repeatable: boolean,
): UnaryCall<In, Out> {
  return { path, request, response, repeatable };
}

export const RANGE = define(METHODS.range, RangeRequest, RangeResponse, true);
export const READ_TXN = define(METHODS.txn, TxnRequest, TxnResponse, true);
export const WRITE_TXN = define(METHODS.txn, TxnRequest, TxnResponse, false);
export const LEASE_GRANT = define(METHODS.leaseGrant, LeaseGrantRequest, LeaseGrantResponse, true);
export const LEASE_REVOKE = define(METHODS.leaseRevoke, LeaseRevokeRequest, HeaderResponse, true);
export const LEASE_TIME_TO_LIVE = define(
  METHODS.leaseTimeToLive,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  true,
);
export const STATUS_CALL = define(METHODS.status, HeaderResponse, StatusResponse, true);
