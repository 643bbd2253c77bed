import { type ErrorCode, FlotillaError } from '../lib/index.ts';
import { GrpcError, STATUS } from './grpc/index.ts';

const CODES: Readonly<Record<number, ErrorCode>> = {
  [STATUS.cancelled]: 'unavailable',
  [STATUS.invalidArgument]: 'invalid',
  [STATUS.deadlineExceeded]: 'unavailable',
  [STATUS.notFound]: 'not-found',
  [STATUS.permissionDenied]: 'forbidden',
  [STATUS.resourceExhausted]: 'unavailable',
  [STATUS.failedPrecondition]: 'conflict',
  [STATUS.outOfRange]: 'invalid',
  [STATUS.unavailable]: 'unavailable',
  [STATUS.unauthenticated]: 'unauthorized',
};

/** Errors that their message identifies better than their status; the optional text replaces the message. */
const HINTS: readonly (readonly [RegExp, ErrorCode, string?])[] = [
  [
    /has been compacted/,
    'compacted',
    'the store no longer has the revision asked for; read again and go on from there',
  ],
  [
    /send message larger than max/,
    'too-large',
    'the response is larger than the store sends; read fewer keys at a time',
  ],
  [/request is too large|larger than the/, 'too-large', 'the request is larger than the store takes'],
  [
    /user name is empty|authentication failed|user name not found/,
    'unauthorized',
    'the store wants a user name and a password that it knows',
  ],
  [/database space exceeded/, 'full', 'the database of etcd is full: compact and defragment it, then disarm its alarm'],
  [/^the store cannot write to /, 'full'],
];

/** Converts a failed gRPC call to a FlotillaError. */
export function flotillaError(error: unknown): unknown {
  if (error instanceof RangeError) {
    return new FlotillaError('damaged', `the store's answer cannot be understood: ${error.message}`, {}, error);
  }
  if (!(error instanceof GrpcError)) return error;
  const { status, message } = error;
  for (const [pattern, code, text] of HINTS) {
    if (pattern.test(message)) return new FlotillaError(code, text ?? message, { status, detail: message }, error);
  }
  const text = message.replace(/^etcdserver: /, 'the store answered: ');
  return new FlotillaError(CODES[status] ?? 'internal', text, { status }, error);
}
