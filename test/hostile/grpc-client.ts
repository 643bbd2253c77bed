import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { FrameReader, frame } from '../../src/store/grpc/frame.ts';

/** How a call ended: its status with the sentence, and the message of the response. */
export interface Outcome {
  readonly status: number;
  readonly sentence: string;
  readonly body: Buffer;
}

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

  /** A two-way stream of messages. */
  messages(method: string): {
    send(message: Buffer): void;
    onMessage(hear: (message: Buffer) => void): void;
    close(): void;
  } {
    const stream = this.#session.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc' });
    stream.on('error', () => {});
    const reader = new FrameReader(64 << 20);
    return {
      send: (message) => void stream.write(frame(message)),
      onMessage: (hear) => stream.on('data', (chunk: Buffer) => reader.push(chunk).forEach(hear)),
      close: () => stream.close(),
    };
  }

  /** One call with all that comes back; rejects when the stream ends without a status. */
  call(method: string, message: Buffer): Promise<Outcome> {
    const stream = this.send(method, message);
    const chunks: Buffer[] = [];
    return new Promise((resolve, reject) => {
      let [status, sentence]: (string | undefined)[] = [];
      const note = (headers: Record<string, unknown>) => {
        if (headers['grpc-status'] === undefined) return;
        status = String(headers['grpc-status']);
        sentence = decodeURIComponent(String(headers['grpc-message'] ?? ''));
      };
      stream.on('response', note);
      stream.on('trailers', note);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('close', () => {
        if (status === undefined) reject(new Error(`${method} ended without a status`));
        else resolve({ status: Number(status), sentence: sentence!, body: Buffer.concat(chunks).subarray(5) });
      });
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
