import http2 from 'node:http2';
import type { Clock } from '../../lib/index.ts';
import { FrameReader, frame } from './frame.ts';
import { decodeStatusMessage, GrpcError, STATUS } from './status.ts';

/** The client's certificate and the trusted authorities for an https endpoint, as PEM texts. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface ConnectOptions {
  readonly endpoint: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly tls?: TlsOptions | undefined;
}

export type CallHeaders = Readonly<Record<string, string>>;

/** Callbacks of a bidirectional stream. `ended` comes last, with an error unless the server closed with status ok. */
export interface StreamEvents {
  message(message: Buffer): void;
  ended(error: GrpcError | undefined): void;
}

export interface ClientStream {
  send(message: Uint8Array): void;
  pause(): void;
  resume(): void;
  /** Ends the stream at once; `ended` is not called any more. */
  cancel(): void;
}

const WINDOW_BYTES = 4 << 20;
// Node's default of 10 MB (maxSessionMemory) would refuse calls beside a few large responses.
const SESSION_MEMORY_MB = 1000;
const MAX_RESPONSE_BYTES = 0x7fffffff;
// etcd closes a connection that is pinged more often than every 5 s (--grpc-keepalive-min-time).
const SILENCE_MS = 10_000;
const PING_TIMEOUT_MS = 5000;

/** Connects to one endpoint; rejects with GrpcError `unavailable`. */
export function connect(options: ConnectOptions): Promise<GrpcConnection> {
  const { endpoint, clock, timeoutMs, tls } = options;
  return new Promise((resolve, reject) => {
    const settings = { initialWindowSize: WINDOW_BYTES };
    const session = http2.connect(endpoint, { settings, maxSessionMemory: SESSION_MEMORY_MB, ...tls });
    const fail = (why: string) => {
      stopTimer();
      session.destroy();
      reject(new GrpcError(STATUS.unavailable, `cannot reach the store at ${endpoint}: ${why}`, { unsent: true }));
    };
    const stopTimer = clock.after(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`));
    const failed = (error: Error) => fail(error.message);
    const closed = () => fail('the connection was closed');
    session.once('error', failed);
    session.once('close', closed);
    session.once('connect', () => {
      // Node emits 'connect' also for a session that was destroyed in the same moment.
      if (session.destroyed) return;
      stopTimer();
      session.off('error', failed).off('close', closed);
      session.setLocalWindowSize(WINDOW_BYTES);
      resolve(new GrpcConnection(endpoint, session, clock));
    });
  });
}

/** One HTTP/2 connection for gRPC calls. A broken connection is not repaired but replaced. */
export class GrpcConnection {
  readonly endpoint: string;
  readonly #session: http2.ClientHttp2Session;
  readonly #clock: Clock;
  #usable = true;
  readonly #streams = new Set<http2.ClientHttp2Stream>();
  #openCalls = 0;
  #stopListening: (() => void) | undefined;
  /** Called once when the connection accepts no new calls. */
  onUnusable: () => void = () => {};

  constructor(endpoint: string, session: http2.ClientHttp2Session, clock: Clock) {
    this.endpoint = endpoint;
    this.#session = session;
    this.#clock = clock;
    session.on('error', () => this.#retire());
    session.on('goaway', () => this.#retire());
    session.on('close', () => this.#retire());
  }

  get usable(): boolean {
    return this.#usable && !this.#session.closed && !this.#session.destroyed;
  }

  /** Bytes received so far; while it stands still, the server is silent. */
  get receivedBytes(): number {
    return this.#session.destroyed ? 0 : (this.#session.socket?.bytesRead ?? 0);
  }

  /** Sends a unary call. Rejects with GrpcError. */
  unary(path: string, headers: CallHeaders, message: Uint8Array, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined;
      const heardBytes = this.receivedBytes;
      const stream = this.#open(
        path,
        { ...headers, 'grpc-timeout': `${Math.ceil(timeoutMs)}m` },
        {
          message: (got) => {
            answer = got;
          },
          ended: (error) => {
            stopTimer();
            if (error) reject(error);
            else if (answer === undefined) reject(new GrpcError(STATUS.internal, 'the store sent no answer'));
            else resolve(answer);
          },
        },
      );
      const stopTimer = this.#clock.after(timeoutMs, () => {
        // A process that was stopped runs its timers before it reads pending input: read that first.
        setImmediate(() => {
          if (stream.closed) return;
          stream.close(http2.constants.NGHTTP2_CANCEL);
          reject(new GrpcError(STATUS.deadlineExceeded, 'the store did not answer in time'));
          // The server was silent throughout: break the connection, so that all calls on it learn of it.
          if (this.receivedBytes === heardBytes) this.destroy();
        });
      });
      stream.end(frame(message));
    });
  }

  /** Opens a bidirectional stream. */
  stream(path: string, headers: CallHeaders, events: StreamEvents): ClientStream {
    let cancelled = false;
    const stream = this.#open(path, headers, {
      message: (message) => !cancelled && events.message(message),
      ended: (error) => {
        this.#streams.delete(stream);
        if (!cancelled) events.ended(error);
      },
    });
    this.#streams.add(stream);
    return {
      send: (message) => {
        if (!stream.destroyed && !stream.writableEnded) stream.write(frame(message));
      },
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      cancel: () => {
        cancelled = true;
        stream.close(http2.constants.NGHTTP2_CANCEL);
      },
    };
  }

  /** Lets unary calls in flight finish, breaks streams, accepts no new calls. */
  close(): void {
    this.#retire();
    for (const stream of this.#streams) stream.close(http2.constants.NGHTTP2_CANCEL);
    this.#session.close();
  }

  /** Breaks the connection and all calls on it. */
  destroy(): void {
    this.#retire();
    this.#session.destroy();
  }

  #retire(): void {
    if (!this.#usable) return;
    this.#usable = false;
    this.onUnusable();
  }

  /** Pings a silent server while there are streams. */
  #listen(): void {
    const heardBytes = this.receivedBytes;
    this.#stopListening = this.#clock.after(SILENCE_MS, () => {
      this.#stopListening = undefined;
      if (this.#openCalls === 0 || this.#session.destroyed) return;
      if (this.receivedBytes === heardBytes) this.#ping();
      this.#listen();
    });
  }

  #ping(): void {
    const heardBytes = this.receivedBytes;
    const giveUp = this.#clock.after(PING_TIMEOUT_MS, () =>
      setImmediate(() => this.receivedBytes === heardBytes && this.destroy()),
    );
    this.#session.ping(giveUp);
  }

  #open(path: string, headers: CallHeaders, events: StreamEvents): http2.ClientHttp2Stream {
    if (!this.usable) throw brokenConnection(this.endpoint, true);
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    receive(stream, this.endpoint, events);
    this.#openCalls++;
    stream.once('close', () => this.#openCalls--);
    if (!this.#stopListening) this.#listen();
    return stream;
  }
}

function receive(stream: http2.ClientHttp2Stream, endpoint: string, events: StreamEvents): void {
  const reader = new FrameReader(MAX_RESPONSE_BYTES);
  let outcome: GrpcError | 'ok' | undefined;
  let broken: Error | undefined;
  stream.on('response', (headers) => {
    outcome = statusOf(headers) ?? httpFailure(headers);
  });
  stream.on('trailers', (headers) => {
    outcome ??= statusOf(headers);
  });
  stream.on('data', (chunk: Buffer) => {
    // Bytes behind an error, such as the body of a proxy's response, are not messages.
    if (outcome !== undefined || broken !== undefined) return;
    try {
      for (const message of reader.push(chunk)) events.message(message);
    } catch (error) {
      outcome = notUnderstood(error);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
  });
  stream.on('error', (error) => {
    broken = error;
  });
  stream.on('close', () => {
    if (outcome === 'ok') return events.ended(undefined);
    const unsent = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
    events.ended(outcome ?? brokenConnection(endpoint, unsent, broken));
  });
}

function statusOf(headers: http2.IncomingHttpHeaders): GrpcError | 'ok' | undefined {
  const status = headers['grpc-status'];
  if (status === undefined) return undefined;
  if (status === '0') return 'ok';
  return new GrpcError(Number(status), decodeStatusMessage(String(headers['grpc-message'] ?? `status ${status}`)));
}

function httpFailure(headers: http2.IncomingHttpHeaders): GrpcError | undefined {
  const status = Number(headers[':status']);
  if (status === 200) return undefined;
  return new GrpcError(STATUS.unavailable, `what answers there is not an etcd v3 store (HTTP status ${status})`);
}

function notUnderstood(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  return new GrpcError(STATUS.internal, `the store's answer cannot be understood: ${(error as Error).message}`);
}

function brokenConnection(endpoint: string, unsent: boolean, cause?: Error): GrpcError {
  return new GrpcError(STATUS.unavailable, `the connection to the store at ${endpoint} broke`, { unsent, cause });
}
