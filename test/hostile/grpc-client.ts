import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';

/** gRPC calls as a careless or hostile client makes them. */
export class GrpcClient {
  readonly #session: ClientHttp2Session;

  /** With `windowBytes` 0 the client takes no byte of any response's body. */
  constructor(endpoint: string, windowBytes = 1 << 20) {
    this.#session = connect(endpoint, { settings: { initialWindowSize: windowBytes } });
    this.#session.on('error', () => {});
  }

  /** Sends a request, its message framed, and leaves it at that. */
  send(method: string, message: Buffer): ClientHttp2Stream {
    const stream = this.#session.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc' });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    stream.on('error', () => {});
    stream.end(Buffer.concat([head, message]));
    return stream;
  }

  /** Begins a call whose messages the caller sends, framed. */
  open(method: string): ClientHttp2Stream {
    const stream = this.#session.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc' });
    return stream.on('error', () => {});
  }

  /** The grpc-status of one call; rejects when the stream ends without one. */
  status(method: string, message: Buffer): Promise<string> {
    const stream = this.send(method, message);
    return new Promise((resolve, reject) => {
      const note = (headers: Record<string, unknown>) => {
        if (headers['grpc-status'] !== undefined) resolve(String(headers['grpc-status']));
      };
      stream.on('response', note);
      stream.on('trailers', note);
      stream.on('close', () => reject(new Error(`${method} ended without a status`)));
      stream.resume();
    });
  }

  /** Resolves when the server has read all that was sent before. */
  async ping(): Promise<void> {
    // Node cancels pings of a session that is still connecting.
    if (this.#session.connecting) await once(this.#session, 'connect');
    return new Promise((resolve, reject) => {
      this.#session.ping((error) => (error ? reject(error) : resolve()));
    });
  }

  close(): void {
    this.#session.destroy();
  }
}

/** Resident memory of a process, this one unless told, in MB. */
export function residentMb(pid: number | 'self' = 'self'): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}
