import type { IncomingMessage } from 'node:http';
import type { Kv } from '../kv/index.ts';
import {
  type AdmitPeer,
  type Clock,
  isFlotillaError,
  type Log,
  type Random,
  type RefuseForeignPages,
} from '../lib/index.ts';
import type { Catalog, ExternalNodes, LocalServices } from '../services/index.ts';

/** What all answers are made of. */
export interface ConsulParts {
  readonly catalog: Catalog;
  /** The services of this machine, and their registration. */
  readonly local: LocalServices;
  /** Registration of what runs no fleetd. */
  readonly externals: ExternalNodes;
  readonly kv: Kv;
  /** Id of this machine. */
  readonly machine: string;
  readonly datacenter: string;
  /** Id of the machine that leads the cluster, if any. */
  readonly leader: () => Promise<string | undefined>;
  /** Refuses requests of web pages; unless given, with no names besides this machine's own. */
  readonly pages?: RefuseForeignPages;
  /** Asked once per connection; without, everybody may connect. */
  readonly admitPeer?: AdmitPeer | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A request as the routes see it. */
export interface ConsulRequest {
  readonly method: string;
  /** What follows the route's own path, decoded: `web` of `/v1/health/service/web`. */
  readonly rest: string;
  readonly query: URLSearchParams;
  readonly parts: ConsulParts;
  readonly incoming: IncomingMessage;
  /** A signal that aborts when the client has gone or the server closes; made for those who wait. */
  readonly gone: () => AbortSignal;
}

export interface ConsulResponse {
  readonly status: number;
  readonly body: Buffer | string;
  readonly headers: Readonly<Record<string, string>>;
}

export type Handler = (request: ConsulRequest) => ConsulResponse | Promise<ConsulResponse>;

/** One path of the API. `deep`: whatever follows the path belongs to it; said what that is, it must be there. */
export interface ConsulRoute {
  readonly path: string;
  readonly deep?: true | string;
  readonly methods: Readonly<Partial<Record<'GET' | 'PUT' | 'DELETE', Handler>>>;
  /** GET changes something, too. */
  readonly getWrites?: true;
}

/** An error as Consul's clients know it: a status and a sentence in plain text. */
export class ConsulError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const JSON_HEADERS = { 'Content-Type': 'application/json' };
const TEXT_HEADERS = { 'Content-Type': 'text/plain; charset=utf-8' };

/** `value` as JSON; `headers` besides its type. */
export function json(value: unknown, headers: Readonly<Record<string, string>> = {}, status = 200): ConsulResponse {
  return { status, body: JSON.stringify(value), headers: { ...JSON_HEADERS, ...headers } };
}

/** JSON that has been made already. */
export function jsonBody(body: Buffer | string, headers: Readonly<Record<string, string>>): ConsulResponse {
  return { status: 200, body, headers: { ...JSON_HEADERS, ...headers } };
}

export function text(status: number, body: string): ConsulResponse {
  return { status, body, headers: TEXT_HEADERS };
}

/** Success without anything to say. */
export const NOTHING: ConsulResponse = { status: 200, body: '', headers: {} };

/** Consul takes values and registrations up to this size. */
export const MAX_BODY_BYTES = 512 * 1024;

/** The whole body; a ConsulError of 413 when it is too large. */
export async function readBody({ incoming }: ConsulRequest): Promise<Buffer> {
  const announced = Number(incoming.headers['content-length'] ?? 0);
  if (announced > MAX_BODY_BYTES) throw tooLarge(announced);
  const chunks: Buffer[] = [];
  let size = 0;
  // Ended with the loop, the request would take the connection with it, and the response that says why.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge(size);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(bytes: number): ConsulError {
  return new ConsulError(413, `Request body(${bytes} bytes) too large, max size: ${MAX_BODY_BYTES} bytes.`);
}

/** For a reading of pairs that failed: too many of them are a ConsulError of 413. */
export function refuseLargeTree(error: unknown): never {
  throw isFlotillaError(error, 'too-large') ? new ConsulError(413, error.message) : error;
}

/** A ConsulError of 500 when a request is for another datacenter; empty: for whichever this is. */
export function requireDatacenter(given: string, { datacenter }: ConsulParts): void {
  if (given !== '' && given !== datacenter) throw new ConsulError(500, 'No path to datacenter');
}

/** True when a flag of the query is set: `?passing`, `?passing=1`, `?passing=true`. */
export function isSet(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && !/^(0|f|false)$/i.test(value);
}
