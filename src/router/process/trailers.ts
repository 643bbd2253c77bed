import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { answerHeaders } from './headers.ts';

/**
 * Fields that must not be trailers (RFC 9110 §6.5.1): framing, routing, authentication, content format and caching. A
 * client may merge trailers into the head, after it has acted on these.
 */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'date',
  'expect',
  'expires',
  'host',
  'location',
  'max-forwards',
  'pragma',
  'range',
  'retry-after',
  'set-cookie',
  'vary',
  'warning',
  'www-authenticate',
]);

/**
 * Returns those names of a backend's `Trailer:` that the client will get; undefined when the response cannot have
 * trailers.
 */
export function announcedTrailers(
  response: ServerResponse,
  status: number,
  head: IncomingHttpHeaders,
): string | undefined {
  const { trailer } = head;
  if (trailer === undefined || head['transfer-encoding'] === undefined || head['content-length'] !== undefined)
    return undefined;
  // Node throws when trailers are announced without chunked encoding: for HTTP/1.0, and for responses without a body.
  const { method, httpVersionMinor } = response.req;
  if (httpVersionMinor === 0 || method === 'HEAD' || status === 204 || status === 304) return undefined;
  const names = String(trailer).split(',');
  return (
    names
      .filter((name) => passedTrailers([name.trim(), '']).length > 0)
      .join(',')
      .trim() || undefined
  );
}

/** Returns a backend's trailers as the client gets them. In `raw`, names and values alternate. */
export function passedTrailers(raw: readonly (Buffer | string)[]): [name: string, value: string][] {
  const headers = answerHeaders(raw);
  const trailers: [string, string][] = [];
  for (let at = 0; at < headers.length; at += 2)
    if (!FORBIDDEN.has(headers[at]!.toLowerCase())) trailers.push([headers[at]!, headers[at + 1]!]);
  return trailers;
}
