import { getSystemErrorMessage } from 'node:util';

/**
 * The one table of errors: what each code means to an HTTP client, to a shell, and to whoever might try again.
 * `exit` is fleetctl's exit status; `retry` says that the same call may succeed later without anybody changing it.
 */
export const ERRORS = {
  invalid: { http: 400, exit: 1, retry: false },
  unauthorized: { http: 401, exit: 1, retry: false },
  forbidden: { http: 403, exit: 1, retry: false },
  'not-found': { http: 404, exit: 1, retry: false },
  'method-not-allowed': { http: 405, exit: 1, retry: false },
  conflict: { http: 409, exit: 1, retry: false },
  'too-large': { http: 413, exit: 1, retry: false },
  'unsupported-media-type': { http: 415, exit: 1, retry: false },
  usage: { http: 400, exit: 2, retry: false },
  internal: { http: 500, exit: 1, retry: false },
  unavailable: { http: 503, exit: 1, retry: true },
  timeout: { http: 504, exit: 1, retry: true },
  full: { http: 507, exit: 1, retry: true },
  compacted: { http: 500, exit: 1, retry: true },
  damaged: { http: 500, exit: 1, retry: false },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/**
 * An error somebody outside may see. `message` is one clear sentence which says what to do where something can be
 * done; `facts` are for logs and `-o json`. Anything else that is thrown is a bug and shows its stack.
 */
export class FlotillaError extends Error {
  readonly code: ErrorCode;
  readonly facts: Readonly<Record<string, unknown>>;
  constructor(code: ErrorCode, message: string, facts: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'FlotillaError';
    this.code = code;
    this.facts = facts;
  }
}

/** True for a FlotillaError, of that code when one is given. */
export function isFlotillaError(error: unknown, code?: ErrorCode): error is FlotillaError {
  return error instanceof FlotillaError && (code === undefined || error.code === code);
}

/** The message of whatever was thrown, for a log field. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Why the system refused, in its own words and without Node's code, call and path: `no such file or directory`. For a
 * sentence that names the file itself; whatever the system did not refuse keeps its message.
 */
export function systemReason(error: unknown): string {
  const { errno } = error as NodeJS.ErrnoException;
  return error instanceof Error && typeof errno === 'number' ? getSystemErrorMessage(errno) : messageOf(error);
}
