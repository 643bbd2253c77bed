import { FlotillaError, trimEnd } from '../lib/index.ts';

/** Where an API server listens. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly tls: boolean;
      readonly host: string;
      readonly port: number;
      /** Path prefix in front of /fleet/v1, without the closing slash; usually empty. */
      readonly prefix: string;
    };

/**
 * Reads `unix:///path`, `file:///path`, `http://host:port` or `https://host:port`; throws a FlotillaError which says what
 * is wrong. A unix URL with a host part (two slashes, where three are meant) is refused, as it always was.
 */
export function parseEndpoint(text: string): Endpoint {
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw new FlotillaError(
      'invalid',
      `endpoint ${JSON.stringify(text)} has no scheme: write unix:///path/to/socket or http://host:port`,
    );
  }
  const rest = text.slice(scheme.length + '://'.length);
  if (scheme === 'unix' || scheme === 'file') return unixEndpoint(text, scheme, rest);
  if (scheme !== 'http' && scheme !== 'https') {
    throw new FlotillaError(
      'invalid',
      `endpoint ${JSON.stringify(text)}: scheme ${scheme} is none of unix, http, https`,
    );
  }
  return tcpEndpoint(text, scheme);
}

function unixEndpoint(text: string, scheme: string, rest: string): Endpoint {
  if (!rest.startsWith('/')) {
    const host = rest.split('/')[0] ?? '';
    const meant = rest === '' ? '' : `: a socket's path takes three slashes, as in ${scheme}:///${rest}`;
    throw new FlotillaError('invalid', `unable to connect to host "${host}" with scheme "${scheme}"${meant}`);
  }
  let path = rest;
  try {
    path = decodeURIComponent(rest);
  } catch {
    // A path which holds a bare % is taken as it stands.
  }
  if (path === '/') throw new FlotillaError('invalid', `endpoint ${JSON.stringify(text)} names no socket`);
  return { kind: 'unix', path };
}

function tcpEndpoint(text: string, scheme: 'http' | 'https'): Endpoint {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new FlotillaError('invalid', `endpoint ${JSON.stringify(text)} is not a URL: write ${scheme}://host:port`);
  }
  const tls = scheme === 'https';
  return {
    kind: 'tcp',
    tls,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
    prefix: trimEnd(url.pathname, '/'),
  };
}

/** The endpoint as a user would write it. */
export function endpointText(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${endpoint.tls ? 'https' : 'http'}://${host}:${endpoint.port}${endpoint.prefix}`;
}
