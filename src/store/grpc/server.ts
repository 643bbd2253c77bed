import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { AdmitPeer } from '../../lib/index.ts';
import { FrameReader, frame } from './frame.ts';
import { encodeStatusMessage, GrpcError, STATUS } from './status.ts';
import { UNREAD_LIMITS, UnreadBudget, type UnreadBudgetLimits } from './unread-budget.ts';

/** Handles one unary request; a thrown GrpcError becomes the call's status. */
export type UnaryHandler = (message: Buffer) => Buffer | Promise<Buffer> | LongAnswer;

/** A response that comes later and may be large: the connection's next request waits until its size is known. */
export class LongAnswer {
  readonly answer: Promise<Buffer>;

  constructor(answer: Promise<Buffer>) {
    this.answer = answer;
  }
}

/** The server's side of a bidirectional stream. */
export interface ServerStream {
  send(message: Uint8Array): void;
  /** Bytes given to `send` that the client has not read yet. */
  readonly backlogBytes: number;
  /** Calls `fn` once when the backlog is gone. */
  whenDrained(fn: () => void): void;
  /** Ends the stream with status ok, or with this error. */
  end(error?: GrpcError): void;
}

/** The handler's callbacks of a stream. */
export interface StreamHandler {
  message(message: Buffer): void;
  /** The client has closed its side. */
  finished(): void;
  /** The stream has ended. */
  closed(): void;
}

export interface GrpcService {
  readonly unary: Readonly<Record<string, UnaryHandler>>;
  readonly streams: Readonly<Record<string, (stream: ServerStream) => StreamHandler>>;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly maxRequestBytes: number;
  /** Called once per connection; every call on a refused connection fails with the returned sentence. */
  readonly admitPeer?: AdmitPeer | undefined;
  /** Limits of memory per connection; UNREAD_LIMITS by default. */
  readonly unread?: UnreadBudgetLimits;
  /** Called for errors other than GrpcError, which are bugs. */
  onBug(path: string, error: unknown): void;
}

export interface GrpcServer {
  readonly port: number;
  close(): Promise<void>;
}

const WINDOW_BYTES = 1 << 20;
/** etcd has no limit here; by HTTP/2's rule further calls wait in the client. */
const MAX_STREAMS = 1000;
// Node's default of 10 MB would refuse requests beside a few large responses; unsent bytes are limited per stream.
const SESSION_MEMORY_MB = 1000;
const KEEPALIVE_MS = 30_000;

/** Serves gRPC without TLS; resolves when the port is bound. */
export async function serveGrpc(service: GrpcService, options: ServerOptions): Promise<GrpcServer> {
  const server = http2.createServer({
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: { initialWindowSize: WINDOW_BYTES, maxConcurrentStreams: MAX_STREAMS },
  });
  const sockets = new Set<Socket>();
  const budget = new UnreadBudget(options.unread);
  const asked = new WeakMap<http2.Http2Session, Promise<string | undefined>>();
  server.on('connection', (socket: Socket) => {
    socket.setKeepAlive(true, KEEPALIVE_MS);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => {
    budget.open(session);
    session.setLocalWindowSize(WINDOW_BYTES * 4);
    session.on('error', () => session.destroy());
    const answer = options.admitPeer?.(session.socket);
    if (answer === undefined) return;
    asked.set(session, answer);
    // An admitted connection is forgotten, so that its later calls need not wait.
    void answer.then((refusal) => refusal === undefined && asked.delete(session));
  });
  server.on('stream', (stream, headers) => {
    const go = () => dispatch(service, { ...options, budget }, stream, String(headers[':path']));
    const answer = stream.session && asked.get(stream.session);
    if (answer === undefined) return go();
    stream.on('error', () => {});
    void answer.then((refusal) => {
      if (refusal === undefined) go();
      else refuse(stream, new GrpcError(STATUS.permissionDenied, refusal));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  server.removeAllListeners('error');
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // Destroy the sockets: closing the sessions would wait for the clients' GOAWAY.
        for (const socket of sockets) socket.destroy();
      }),
  };
}

interface CallOptions extends ServerOptions {
  readonly budget: UnreadBudget;
}

function dispatch(service: GrpcService, options: CallOptions, stream: http2.ServerHttp2Stream, path: string): void {
  // A reset by the client is an ordinary end of a call; 'close' follows.
  stream.on('error', () => {});
  const unary = service.unary[path];
  const open = service.streams[path];
  if (unary) serveUnary(unary, options, stream, path);
  else if (open) serveStream(open, options, stream, path);
  else refuse(stream, new GrpcError(STATUS.unimplemented, `this store does not have the method ${path}`));
}

function refuse(stream: http2.ServerHttp2Stream, error: GrpcError): void {
  stream.on('error', () => {});
  stream.resume();
  new StreamResponse(stream).end(error);
}

function serveUnary(handler: UnaryHandler, options: CallOptions, stream: http2.ServerHttp2Stream, path: string): void {
  const { budget } = options;
  const { session } = stream;
  const reader = new FrameReader(options.maxRequestBytes);
  const response = new StreamResponse(stream);
  let request: Buffer | undefined;
  let requestBytes = 0;
  let unreadBytes = 0;
  const fail = (error: unknown) => response.end(statusOf(error, path, options));
  stream.on('data', (chunk: Buffer) => {
    if (response.ended) return;
    try {
      if (!budget.addRequest(session, chunk.length)) throw tooMuchAtOnce();
      requestBytes += chunk.length;
      for (const message of reader.push(chunk)) request = message;
    } catch (error) {
      fail(error);
    }
  });
  const respond = (message: Buffer) => {
    if (stream.closed) return;
    unreadBytes = message.length;
    response.send(message);
    response.end();
    // Last, since it may end this very connection.
    budget.addUnread(session, unreadBytes);
  };
  stream.on('end', () => {
    if (response.ended) return;
    const message = request;
    if (!message) return fail(new GrpcError(STATUS.invalidArgument, 'the request has no message'));
    budget.whenRoom(session, () => {
      if (stream.closed) return;
      answer(() => handler(message), {
        respond,
        fail,
        later: (result) => budget.hold(session, result.then(respond, fail)),
      });
    });
  });
  stream.on('close', () => {
    budget.removeRequest(session, requestBytes);
    budget.removeUnread(session, unreadBytes);
  });
}

interface Outcomes {
  respond(message: Buffer): void;
  fail(error: unknown): void;
  later(message: Promise<Buffer>): void;
}

/** Responds synchronously if the handler returns a value, so that the next request sees the unread bytes. */
function answer(handle: () => Buffer | Promise<Buffer> | LongAnswer, { respond, fail, later }: Outcomes): void {
  try {
    const message = handle();
    if (Buffer.isBuffer(message)) respond(message);
    else if (message instanceof LongAnswer) later(message.answer);
    else message.then(respond, fail);
  } catch (error) {
    fail(error);
  }
}

function tooMuchAtOnce(): GrpcError {
  return new GrpcError(STATUS.resourceExhausted, 'this connection has too many large requests under way: send fewer');
}

function serveStream(
  open: (stream: ServerStream) => StreamHandler,
  options: ServerOptions,
  stream: http2.ServerHttp2Stream,
  path: string,
): void {
  const reader = new FrameReader(options.maxRequestBytes);
  const backlogBytes = (options.unread ?? UNREAD_LIMITS).streamBytes;
  const response = new StreamResponse(stream);
  response.begin();
  const handler = open(response);
  const guarded = (work: () => void) => {
    if (response.ended) return;
    try {
      work();
    } catch (error) {
      response.end(statusOf(error, path, options));
    }
  };
  stream.on('data', (chunk: Buffer) =>
    guarded(() => {
      for (const message of reader.push(chunk)) handler.message(message);
      if (response.backlogBytes <= backlogBytes) return;
      stream.pause();
      response.whenDrained(() => stream.resume());
    }),
  );
  stream.on('end', () => guarded(() => handler.finished()));
  stream.on('close', () => handler.closed());
}

/** The response of one stream. */
class StreamResponse implements ServerStream {
  readonly #stream: http2.ServerHttp2Stream;
  #begun = false;
  ended = false;

  constructor(stream: http2.ServerHttp2Stream) {
    this.#stream = stream;
  }

  /**
   * A reset stream is `closed` some time before it is `destroyed`, and its session may end before either: respond,
   * write and sendTrailers then throw ERR_HTTP2_INVALID_STREAM.
   */
  get #isGone(): boolean {
    const { closed, destroyed, session } = this.#stream;
    return closed || destroyed || session === undefined || session.destroyed;
  }

  get backlogBytes(): number {
    return this.#stream.writableLength;
  }

  whenDrained(fn: () => void): void {
    this.#stream.once('drain', fn);
  }

  /** Sends the headers; the status follows behind the messages, in the trailers. */
  begin(): void {
    if (this.#begun || this.#isGone) return;
    this.#begun = true;
    this.#stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  }

  send(message: Uint8Array): void {
    if (this.ended || this.#isGone) return;
    this.begin();
    this.#stream.write(frame(message));
  }

  end(error?: GrpcError): void {
    if (this.ended) return;
    this.ended = true;
    if (this.#isGone) return;
    const trailers = error
      ? { 'grpc-status': String(error.status), 'grpc-message': encodeStatusMessage(error.message) }
      : { 'grpc-status': '0' };
    if (!this.#begun) {
      const headers = { ':status': 200, 'content-type': 'application/grpc', ...trailers };
      this.#stream.respond(headers, { endStream: true });
      return;
    }
    this.#stream.once('wantTrailers', () => this.#isGone || this.#stream.sendTrailers(trailers));
    this.#stream.end();
  }
}

function statusOf(error: unknown, path: string, options: ServerOptions): GrpcError {
  if (error instanceof GrpcError) return error;
  options.onBug(path, error);
  return new GrpcError(STATUS.internal, 'the store failed to answer this request; its log says why');
}
