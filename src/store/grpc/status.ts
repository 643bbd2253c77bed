/** The gRPC status codes in use. */
export const STATUS = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** A call that ended with a status other than ok. `unsent`: the server certainly has not seen the request. */
export class GrpcError extends Error {
  readonly status: number;
  readonly unsent: boolean;
  constructor(status: number, message: string, options: { readonly unsent?: boolean; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GrpcError';
    this.status = status;
    this.unsent = options.unsent ?? false;
  }
}

/** Encodes a status message as a header value: everything but printable ASCII is percent-encoded. */
export function encodeStatusMessage(message: string): string {
  return message.replace(/[^ -$&-~]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

export function decodeStatusMessage(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
