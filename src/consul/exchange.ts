import type { IncomingMessage } from 'node:http';
import type { Kv } from '../kv/index.ts';
import {
  type AdmitPeer,
  type Clock,
  isFlotillaError,
  type Log,
  type Random,
  type RefuseForeignPages,
  readParts,
} from '../lib/index.ts';
import type { Catalog, ExternalNodes, LocalServices } from '../services/index.ts';

/** The sources of all responses. */
export interface ConsulParts {
  readonly catalog: Catalog;
  /** The services of this machine and their registration. */
  readonly local: LocalServices;
  /** Registration on external nodes. */
  readonly externals: ExternalNodes;
  readonly kv: Kv;
  /** The id of this machine. */
  readonly machine: string;
  readonly datacenter: string;
  /** Returns the id of the machine that leads the cluster, if any. */
  readonly leader: () => Promise<string | undefined>;
  /** Refuses requests of web pages; by default only this machine's names are accepted as Host. */
  readonly pages?: RefuseForeignPages;
  /** Called once per connection; absent: everybody may connect. */
  readonly admitPeer?: AdmitPeer | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A request as the handlers get it. */
export interface ConsulRequest {
  readonly method: string;
  /** The decoded path behind the route's own: `web` of `/v1/health/service/web`. */
  readonly rest: string;
  readonly query: URLSearchParams;
  readonly parts: ConsulParts;
  readonly incoming: IncomingMessage;
  /**
   * Returns a signal that aborts when the client has gone or the server closes; made on demand, for handlers that wait.
   */
  readonly gone: () => AbortSignal;
}

export interface ConsulResponse {
  readonly status: number;
  readonly body: Buffer | string;
  readonly headers: Readonly<Record<string, string>>;
}

export type ConsulHandler = (request: ConsulRequest) => ConsulResponse | Promise<ConsulResponse>;

/** One path of the API. A `deep` route takes every path below its own; a string names the part that must follow. */
export interface ConsulRoute {
  readonly path: string;
  readonly deep?: true | string;
  readonly methods: Readonly<Partial<Record<'GET' | 'PUT' | 'DELETE', ConsulHandler>>>;
  /** GET writes too. */
  readonly getWrites?: true;
}

/** An error as Consul's clients know it: a status and a plain-text sentence. */
export class ConsulError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const JSON_HEADERS = { 'Content-Type': 'application/json' };
const TEXT_HEADERS = { 'Content-Type': 'text/plain; charset=utf-8' };

/** Responds with `value` as JSON; `headers` are added to the content type. */
export function json(value: unknown, headers: Readonly<Record<string, string>> = {}, status = 200): ConsulResponse {
  return { status, body: JSON.stringify(value), headers: { ...JSON_HEADERS, ...headers } };
}

/** Responds with encoded JSON. */
export function jsonBody(body: Buffer | string, headers: Readonly<Record<string, string>>): ConsulResponse {
  return { status: 200, body, headers: { ...JSON_HEADERS, ...headers } };
}

export function text(status: number, body: string): ConsulResponse {
  return { status, body, headers: TEXT_HEADERS };
}

/** Success with an empty body. */
export const NOTHING: ConsulResponse = { status: 200, body: '', headers: {} };

/** Consul's limit for values and registrations. */
export const MAX_BODY_BYTES = 512 * 1024;

/** Reads the whole body; throws a ConsulError of 413 when it is too large. */
export async function readBody({ incoming }: ConsulRequest): Promise<Buffer> {
  const announced = Number(incoming.headers['content-length'] ?? 0);
  if (announced > MAX_BODY_BYTES) throw tooLarge(announced);
  // Ending the iteration would destroy the request and its connection, and with it the response that says why.
  return readParts(incoming.iterator({ destroyOnReturn: false }), MAX_BODY_BYTES, tooLarge);
}

function tooLarge(bytes: number): ConsulError {
  return new ConsulError(413, `Request body(${bytes} bytes) too large, max size: ${MAX_BODY_BYTES} bytes.`);
}

/** Converts a failed listing of pairs: `too-large` becomes a ConsulError of 413, other errors are rethrown. */
export function refuseLargeTree(error: unknown): never {
  throw isFlotillaError(error, 'too-large') ? new ConsulError(413, error.message) : error;
}

/** Throws a ConsulError of 500 for another datacenter; an empty name means this one. */
export function requireDatacenter(given: string, { datacenter }: ConsulParts): void {
  if (given !== '' && given !== datacenter) throw new ConsulError(500, 'No path to datacenter');
}

/** True for `?passing`, `?passing=1`, `?passing=true`. */
export function isSet(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && !/^(0|f|false)$/i.test(value);
}
