import type { IncomingMessage } from 'node:http';

/** The host and path of a request. */
export interface RequestTarget {
  /** As the client wrote it, with its port. */
  readonly host: string;
  /** The key for routes: lower case, without the port and a final dot. */
  readonly name: string;
  /** Path and query. */
  readonly path: string;
}

const HOST = /^(?:\[[0-9a-f:.]{2,45}\]|[\w.-]{1,255})(?::\d{0,5})?$/i;

/**
 * Returns the host and path of a request; undefined when its host is missing or ambiguous: two Host headers, or
 * characters that no host has. A host in the request line takes precedence over the header (RFC 9112 §3.2.2).
 */
export function targetOf(request: IncomingMessage): RequestTarget | undefined {
  const url = request.url!;
  if (url[0] === '/') return target(hostHeader(request), url);
  if (url === '*') return target(hostHeader(request), '/');
  const [, authority, path] = /^https?:\/\/([^/?#]*)((?:[/?][^#]*)?)$/i.exec(url) ?? [];
  if (authority === undefined || hostHeader(request) === undefined) return undefined;
  return target(authority, path!.startsWith('/') ? path! : `/${path}`);
}

function target(host: string | undefined, path: string): RequestTarget | undefined {
  if (host === undefined) return undefined;
  let name = names.get(host);
  if (name === undefined) {
    if (!HOST.test(host)) return undefined;
    name = host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
    if (names.size >= MAX_NAMES) names.clear();
    names.set(host, name);
  }
  return { host, name, path };
}

/** Caches names by the client's spelling: most requests are for few hosts. */
const names = new Map<string, string>();
const MAX_NAMES = 1000;

/** Returns the single Host header; an HTTP/1.0 request may have none. */
function hostHeader({ headers, rawHeaders, httpVersionMinor }: IncomingMessage): string | undefined {
  const { host } = headers;
  if (host === undefined) return httpVersionMinor === 0 ? 'unnamed' : undefined;
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host') count++;
  return count === 1 ? host : undefined;
}
