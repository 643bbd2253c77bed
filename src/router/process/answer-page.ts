import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { RouterPage } from './pages.ts';

/** Responds with a page of the router's own and stops reading the request's body. */
export function answerPage(
  request: IncomingMessage,
  response: ServerResponse,
  { status, type, body, headers }: RouterPage,
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, STATUS_CODES[status]!, {
    ...headers,
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(hasBody(request) || status === 400 ? { connection: 'close' } : {}),
  });
  response.end(body);
}

/** True when the request announces a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
