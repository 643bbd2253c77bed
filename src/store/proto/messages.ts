import {
  bool,
  bytes,
  type DecodedMessage,
  type EncodableMessage,
  id,
  int,
  type MessageType,
  message,
  nested,
  repeated,
  repeatedBytes,
  repeatedInt,
  text,
} from './codec.ts';

// The messages of the etcd v3 API (etcdserverpb, mvccpb), with the field numbers of its published definition.

export const KeyValue = message({
  key: bytes(1),
  createRevision: int(2),
  modRevision: int(3),
  version: int(4),
  value: bytes(5),
  lease: id(6),
});
export type KeyValue = DecodedMessage<typeof KeyValue>;

export const ResponseHeader = message({ clusterId: id(1), memberId: id(2), revision: int(3), raftTerm: id(4) });
export type ResponseHeader = DecodedMessage<typeof ResponseHeader>;
const header = () => nested(1, () => ResponseHeader);

export const RangeRequest = message({
  key: bytes(1),
  rangeEnd: bytes(2),
  limit: int(3),
  revision: int(4),
  sortOrder: int(5),
  sortTarget: int(6),
  serializable: bool(7),
  keysOnly: bool(8),
  countOnly: bool(9),
  minModRevision: int(10),
  maxModRevision: int(11),
  minCreateRevision: int(12),
  maxCreateRevision: int(13),
});
export type RangeRequest = DecodedMessage<typeof RangeRequest>;

export const RangeResponse = message({
  header: header(),
  kvs: repeated(2, () => KeyValue),
  more: bool(3),
  count: int(4),
});

/** RangeResponse with encoded key-value pairs, as the embedded store keeps them. */
export const EncodedRangeResponse = message({ header: header(), kvs: repeatedBytes(2), more: bool(3), count: int(4) });
export type EncodedRangeResponse = EncodableMessage<typeof EncodedRangeResponse>;

export const PutRequest = message({
  key: bytes(1),
  value: bytes(2),
  lease: id(3),
  prevKv: bool(4),
  ignoreValue: bool(5),
  ignoreLease: bool(6),
});
export type PutRequest = DecodedMessage<typeof PutRequest>;

export const PutResponse = message({ header: header(), prevKv: bytes(2) });
export type PutResponse = EncodableMessage<typeof PutResponse>;

export const DeleteRangeRequest = message({ key: bytes(1), rangeEnd: bytes(2), prevKv: bool(3) });
export type DeleteRangeRequest = DecodedMessage<typeof DeleteRangeRequest>;

export const DeleteRangeResponse = message({ header: header(), deleted: int(2), prevKvs: repeatedBytes(3) });
export type DeleteRangeResponse = EncodableMessage<typeof DeleteRangeResponse>;

export const COMPARE_RESULTS = ['equal', 'greater', 'less', 'not-equal'] as const;
export const COMPARE_TARGETS = ['version', 'createRevision', 'modRevision', 'value', 'lease'] as const;

export const Compare = message({
  result: int(1),
  target: int(2),
  key: bytes(3),
  version: int(4),
  createRevision: int(5),
  modRevision: int(6),
  value: bytes(7),
  lease: id(8),
  rangeEnd: bytes(64),
});
export type Compare = DecodedMessage<typeof Compare>;

/** One operation of a transaction: exactly one member is set. */
export interface RequestOp {
  readonly range?: RangeRequest | undefined;
  readonly put?: PutRequest | undefined;
  readonly deleteRange?: DeleteRangeRequest | undefined;
  readonly txn?: TxnRequest | undefined;
}

interface RequestOpInput {
  readonly range?: EncodableMessage<typeof RangeRequest> | undefined;
  readonly put?: EncodableMessage<typeof PutRequest> | undefined;
  readonly deleteRange?: EncodableMessage<typeof DeleteRangeRequest> | undefined;
  readonly txn?: TxnRequestInput | undefined;
}

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

interface TxnRequestInput {
  readonly compare?: readonly EncodableMessage<typeof Compare>[] | undefined;
  readonly success?: readonly RequestOpInput[] | undefined;
  readonly failure?: readonly RequestOpInput[] | undefined;
}

export const RequestOp: MessageType<RequestOp, RequestOpInput> = message({
  range: nested(1, () => RangeRequest),
  put: nested(2, () => PutRequest),
  deleteRange: nested(3, () => DeleteRangeRequest),
  txn: nested<TxnRequest, TxnRequestInput>(4, () => TxnRequest),
});

export const TxnRequest: MessageType<TxnRequest, TxnRequestInput> = message({
  compare: repeated(1, () => Compare),
  success: repeated(2, () => RequestOp),
  failure: repeated(3, () => RequestOp),
});

/** The response to one operation of a transaction; its parts are encoded like those of a single request. */
export const ResponseOp = message({ range: bytes(1), put: bytes(2), deleteRange: bytes(3), txn: bytes(4) });
export type ResponseOp = EncodableMessage<typeof ResponseOp>;

export const TxnResponse = message({ header: header(), succeeded: bool(2), responses: repeatedBytes(3) });
export type TxnResponse = EncodableMessage<typeof TxnResponse>;

export const CompactionRequest = message({ revision: int(1), physical: bool(2) });
/** A response that consists of the header alone. */
export const HeaderResponse = message({ header: header() });

export const WatchCreateRequest = message({
  key: bytes(1),
  rangeEnd: bytes(2),
  startRevision: int(3),
  progressNotify: bool(4),
  filters: repeatedInt(5),
  prevKv: bool(6),
  watchId: int(7),
  fragment: bool(8),
});
export type WatchCreateRequest = DecodedMessage<typeof WatchCreateRequest>;

const Empty = message({});
export const WatchRequest = message({
  create: nested(1, () => WatchCreateRequest),
  cancel: nested(2, () => message({ watchId: int(1) })),
  progress: nested(3, () => Empty),
});

export const Event = message({ type: int(1), kv: nested(2, () => KeyValue), prevKv: nested(3, () => KeyValue) });
export type Event = DecodedMessage<typeof Event>;
/** Event with encoded key-value pairs. */
export const EncodedEvent = message({ type: int(1), kv: bytes(2), prevKv: bytes(3) });

const watchResponse = {
  header: header(),
  watchId: int(2),
  created: bool(3),
  canceled: bool(4),
  compactRevision: int(5),
  cancelReason: text(6),
  fragment: bool(7),
};
export const WatchResponse = message({ ...watchResponse, events: repeated(11, () => Event) });
export type WatchResponse = DecodedMessage<typeof WatchResponse>;
/** WatchResponse with encoded events. */
export const EncodedWatchResponse = message({ ...watchResponse, events: repeatedBytes(11) });
export type EncodedWatchResponse = EncodableMessage<typeof EncodedWatchResponse>;

export const LeaseGrantRequest = message({ ttl: int(1), id: id(2) });
export const LeaseGrantResponse = message({ header: header(), id: id(2), ttl: int(3), error: text(4) });
export const LeaseRevokeRequest = message({ id: id(1) });
export const LeaseKeepAliveRequest = message({ id: id(1) });
export const LeaseKeepAliveResponse = message({ header: header(), id: id(2), ttl: int(3) });
export const LeaseTimeToLiveRequest = message({ id: id(1), keys: bool(2) });
export const LeaseTimeToLiveResponse = message({
  header: header(),
  id: id(2),
  ttl: int(3),
  grantedTtl: int(4),
  keys: repeatedBytes(5),
});
export const LeaseLeasesResponse = message({ header: header(), leases: repeated(2, () => message({ id: id(1) })) });

const Member = message({
  id: id(1),
  name: text(2),
  peerUrls: repeatedBytes(3),
  clientUrls: repeatedBytes(4),
  isLearner: bool(5),
});
export const MemberListResponse = message({ header: header(), members: repeated(2, () => Member) });

export const StatusResponse = message({
  header: header(),
  version: text(2),
  dbSize: int(3),
  leader: id(4),
  raftIndex: id(5),
  raftTerm: id(6),
  raftAppliedIndex: id(7),
  errors: repeatedBytes(8),
  dbSizeInUse: int(9),
  isLearner: bool(10),
});

export const AuthenticateRequest = message({ name: text(1), password: text(2) });
export const AuthenticateResponse = message({ header: header(), token: text(2) });
