import type { Duplex } from 'node:stream';

/** A plain-text response written by hand, for a connection whose request Node could not parse. */
export interface RawResponse {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
  readonly body: string;
}

/**
 * Sends a last response on a connection whose bytes are not a valid HTTP request, and ends the connection. Destroys it
 * instead once the head of another response has been sent, whose body the text would corrupt. Returns true when it was
 * sent.
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
