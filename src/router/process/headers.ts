import type { IncomingMessage } from 'node:http';
import { foldHeaderName, UNTRUSTED_HEADERS } from '../untrusted-headers.ts';

/** Hop-by-hop headers (RFC 9110 §7.6.1), and those that the router itself has already handled. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const DROPPED_FROM_REQUEST: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  ...UNTRUSTED_HEADERS,
  'host',
  'expect',
  'http2-settings',
]);

const TRAILERS = /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i;

export interface Forwarded {
  readonly host: string;
  readonly clientAddress: string;
  readonly protocol: 'http' | 'https';
}

/** Returns the request's headers as the backend gets them; names and values alternate. */
export function requestHeaders(request: IncomingMessage, { host, clientAddress, protocol }: Forwarded): string[] {
  const raw = request.rawHeaders;
  const named = namedByConnection(request.headers.connection);
  const headers = ['host', host];
  let path = '';
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase();
    if (name === 'x-forwarded-for') path += `${raw[at + 1]}, `;
    if (DROPPED_FROM_REQUEST.has(foldHeaderName(name)) || named?.has(name)) continue;
    headers.push(raw[at]!, raw[at + 1]!);
  }
  // Tell the backend that the client accepts trailers (RFC 9110 §10.1.4), without `Connection: TE`: undici writes the
  // Connection header itself.
  const { te } = request.headers;
  if (te !== undefined && TRAILERS.test(String(te))) headers.push('te', 'trailers');
  headers.push('x-forwarded-host', host, 'x-forwarded-for', path + clientAddress);
  headers.push('x-forwarded-proto', protocol, 'x-real-ip', clientAddress);
  return headers;
}

/** Returns the response's headers as the client gets them; names and values alternate. */
export function answerHeaders(raw: readonly (Buffer | string)[]): string[] {
  const headers: string[] = [];
  let named: ReadonlySet<string> | undefined;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!.toString('latin1');
    if (name.length === 10 && name.toLowerCase() === 'connection')
      named = namedByConnection(raw[at + 1]!.toString('latin1'));
    else if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, raw[at + 1]!.toString('latin1'));
  }
  if (named === undefined) return headers;
  return headers.filter((_, at) => !named.has(headers[at - (at % 2)]!.toLowerCase()));
}

/**
 * Returns the headers that `Connection:` names as hop-by-hop; undefined in the usual case of none. Never Content-Length,
 * which is meant for every recipient (RFC 9110 §7.6.1): without it the body would get another framing, or none.
 */
function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return undefined;
  const named = new Set(connection.split(',').map((name) => name.trim().toLowerCase()));
  named.delete('content-length');
  return named;
}
