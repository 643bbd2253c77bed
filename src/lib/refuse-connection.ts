import type { Duplex } from 'node:stream';

/** A response in text that Node did not make, for a connection that did not send a valid request. */
export interface RawResponse {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
  readonly body: string;
}

/**
 * Sends a last response on a connection whose bytes are no valid HTTP request, and ends the connection. Destroys the
 * connection instead once the head of another response has been sent: the text would become part of that response's body.
 * Returns true when the response was sent.
 */
export function refuseConnection(socket: Duplex, { status, reason, headers, body }: RawResponse): boolean {
  const { _httpMessage: current } = socket as { _httpMessage?: { readonly headersSent: boolean } | null };
  if (!socket.writable || current?.headersSent) {
    socket.destroy();
    return false;
  }
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  return true;
}
