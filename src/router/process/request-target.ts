import type { IncomingMessage } from 'node:http';

/** What a request is for. */
export interface RequestTarget {
  /** As the client said it, with its port. */
  readonly host: string;
  /** Lower-case and without the port and a closing dot: what routes are found by. */
  readonly name: string;
  /** Path and query. */
  readonly path: string;
}

const HOST = /^(?:\[[0-9a-f:.]{2,45}\]|[\w.-]{1,255})(?::\d{0,5})?$/i;

/**
 * The host and path of a request, or undefined when it names its host in no way or in a doubtful one: two Host headers,
 * or characters that no host has. A host in the request line goes before the header, as HTTP wants it.
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

/** Names by what clients wrote: most requests are for few hosts. */
const names = new Map<string, string>();
const MAX_NAMES = 1000;

/** The one Host header; an HTTP/1.0 client may have none. */
function hostHeader({ headers, rawHeaders, httpVersionMinor }: IncomingMessage): string | undefined {
  const { host } = headers;
  if (host === undefined) return httpVersionMinor === 0 ? 'unnamed' : undefined;
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host') count++;
  return count === 1 ? host : undefined;
}
