import { getSystemErrorMessage } from 'node:util';

/** One kind of error. */
export interface ErrorRow {
  /** Status of an HTTP response. */
  readonly http: number;
  /** Exit status of fleetctl. */
  readonly exit: number;
  /** The same call may succeed later without anybody changing it. */
  readonly retry: boolean;
  /** What has happened, for docs/reference/errors.md. */
  readonly meaning: string;
  /** What to do about it, in the imperative. */
  readonly remedy: string;
}

/** The one table of errors. The codes are stable: scripts match them. */
export const ERRORS = {
  invalid: {
    http: 400,
    exit: 1,
    retry: false,
    meaning: 'What was sent cannot be taken: a unit file, a name, a value',
    remedy: 'correct what the message names, with its line',
  },
  unauthorized: {
    http: 401,
    exit: 1,
    retry: false,
    meaning: 'A machine asked another one without the secret of the cluster',
    remedy: 'give all machines the same etcd_servers and etcd_key_prefix',
  },
  forbidden: {
    http: 403,
    exit: 1,
    retry: false,
    meaning: 'The caller may not do this here',
    remedy: 'use a user, a host name or a setting that the message names',
  },
  'not-found': {
    http: 404,
    exit: 1,
    retry: false,
    meaning: 'The cluster has no unit, machine, service or page of that name',
    remedy: 'look at the list, such as fleetctl list-units',
  },
  'method-not-allowed': {
    http: 405,
    exit: 1,
    retry: false,
    meaning: 'The API has that path, and not with that method',
    remedy: 'use one of the methods that the response names in Allow',
  },
  conflict: {
    http: 409,
    exit: 1,
    retry: false,
    meaning: 'The call does not fit the state that something is in: a unit, a socket, a lab',
    remedy: 'change that state first, as the message says',
  },
  'too-large': {
    http: 413,
    exit: 1,
    retry: false,
    meaning: 'A request, a unit file or a response has more bytes than fit',
    remedy: 'send less, or ask for less at a time',
  },
  'unsupported-media-type': {
    http: 415,
    exit: 1,
    retry: false,
    meaning: 'The body of the request is not declared as JSON',
    remedy: 'send Content-Type: application/json',
  },
  usage: {
    http: 400,
    exit: 2,
    retry: false,
    meaning: 'The command line, or a setting, cannot be read',
    remedy: 'see fleetctl help COMMAND, or fleetd --help',
  },
  internal: {
    http: 500,
    exit: 1,
    retry: false,
    meaning: 'A program did what it should not: this is a defect',
    remedy: 'report it with what journalctl -u fleetd says of that moment',
  },
  unavailable: {
    http: 503,
    exit: 1,
    retry: true,
    meaning: 'fleetd, the store or a machine cannot be reached, or is starting or stopping',
    remedy: 'try again; when it stays so, look at systemctl status fleetd and at etcd',
  },
  timeout: {
    http: 504,
    exit: 1,
    retry: true,
    meaning: 'The response did not come in time; the call may have had its effect all the same',
    remedy: 'try again, with a longer --timeout or --request-timeout',
  },
  full: {
    http: 507,
    exit: 1,
    retry: true,
    meaning: 'The store or the disk has no room left',
    remedy: 'make room, or raise the quota of etcd, then try again',
  },
  compacted: {
    http: 500,
    exit: 1,
    retry: true,
    meaning: 'The store no longer keeps the history that was asked for',
    remedy: 'ask anew from a later time or revision',
  },
  damaged: {
    http: 500,
    exit: 1,
    retry: false,
    meaning: 'A file or a directory holds what no version could have written',
    remedy: 'follow the message: restore a backup, or begin with an empty directory',
  },
} as const satisfies Record<string, ErrorRow>;

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
