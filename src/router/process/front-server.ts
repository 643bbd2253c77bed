import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket, Server as TcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, FlotillaError, messageOf } from '../../lib/index.ts';
import type { ListenAddress } from '../data-plane.ts';
import { hasBody } from './answer-page.ts';
import type { Certificates } from './certificates.ts';
import { sentencePage } from './pages.ts';
import { readProxyHeader } from './proxy-header.ts';
import { writePage } from './tunnel.ts';

export interface FrontOptions {
  readonly address: ListenAddress;
  /** Present for a TLS listener. */
  readonly certificates: (() => Certificates) | undefined;
  readonly proxyProtocol: boolean;
  readonly clientTimeoutMs: number;
  readonly clock: Clock;
  readonly onRequest: RequestListener;
  /** Absent: upgrade requests get an ordinary response. */
  readonly onUpgrade: ((request: IncomingMessage, client: Duplex, head: Buffer) => void) | undefined;
}

/** nginx's default (large_client_header_buffers: 4 × 8 KiB). */
const MAX_HEAD_BYTES = 32 * 1024;
/**
 * Longer than load balancers keep an idle connection (usually 60 s), so that they close it and never meet a closed one.
 */
const KEEP_ALIVE_MS = 75_000;
const LINGER_MS = 1000;
/** A complete request line with any method. */
const REQUEST_LINE = /^[\w!#$%&'*+.^`|~-]{1,64} \S+ HTTP\/1\.[01]\r?\n/;

const clientAddresses = new WeakMap<object, string>();

/** Returns the client's address as far as it is known. */
export function clientAddressOf({ socket }: IncomingMessage): string {
  // With TLS, the PROXY header belongs to the connection underneath, which only this private field of Node gives.
  const below = (socket as { _parent?: object | null })._parent;
  const known = clientAddresses.get(socket) ?? (below ? clientAddresses.get(below) : undefined);
  if (known !== undefined) return known;
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  clientAddresses.set(socket, address);
  return address;
}

/** One address on which the router takes requests. */
export class FrontServer {
  readonly #http: Server;
  /** The socket that listens: the HTTP server itself, or the server that reads PROXY headers in front of it. */
  readonly #listener: TcpServer;
  readonly #options: FrontOptions;
  readonly #sockets = new Set<Socket>();

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#http = createHttpServer(options);
    // Without this listener Node would send 100 by itself; here the backend decides.
    this.#http.on('checkContinue', (...pair) => this.#http.emit('request', ...pair));
    if (options.onUpgrade) this.#http.on('upgrade', options.onUpgrade);
    this.#http.on('clientError', (error, client) => refuse(error, client, options.clock));
    this.#http.on('connect', (_, client: Duplex) =>
      writePage(client, sentencePage(405, 'CONNECT is not for this server: it is no proxy.', undefined)),
    );
    this.#http.on('timeout', (socket: Socket) => endIfStuck(socket, options.clientTimeoutMs));
    this.#listener = options.proxyProtocol ? this.#behindProxy() : this.#http;
    this.#listener.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** Replaces the certificate for clients without SNI by the current first one, or none. */
  renewCertificates(): void {
    const { certificates } = this.#options;
    if (certificates !== undefined && 'setSecureContext' in this.#http)
      (this.#http as TlsServer).setSecureContext({ ...certificates().fallback });
  }

  /** Rejects with FlotillaError `unavailable` when the address is taken. */
  async listen(): Promise<string> {
    const { address, certificates } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#listener.once('error', (error) => {
        const where = `${address.host}:${address.port}`;
        reject(new FlotillaError('unavailable', `the router cannot listen on ${where}: ${messageOf(error)}`));
      });
      this.#listener.listen({ ...address, backlog: 4096, reusePort: true }, resolve);
    });
    const { address: host, port } = this.#listener.address() as AddressInfo;
    return `${certificates ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /**
   * Accepts no more connections. Existing ones end with their next response (`Connection: close`) or after `graceMs`:
   * closing an idle connection at once could lose a request that is on its way.
   */
  async close(graceMs: number): Promise<void> {
    this.#http.prependListener('request', (_, response: ServerResponse) => response.setHeader('connection', 'close'));
    // Closing a listener resets the connections in its accept queue: accept them first, which Node does before
    // setImmediate.
    await new Promise<void>((resolve) => setImmediate(resolve));
    // net's close, since http.Server#close closes idle connections at once (since Node 19).
    const closed = new Promise<void>((resolve) => TcpServer.prototype.close.call(this.#listener, () => resolve()));
    const cancel = this.#options.clock.after(graceMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    cancel();
  }

  #behindProxy(): TcpServer {
    return createTcpServer({ noDelay: true, allowHalfOpen: true, keepAlive: true }, (socket) => {
      const { clock, clientTimeoutMs } = this.#options;
      const cancel = clock.after(clientTimeoutMs, () => socket.destroy());
      const onError = () => socket.destroy();
      socket.on('error', onError);
      let pending: Buffer = Buffer.alloc(0);
      const read = (chunk: Buffer) => {
        pending = Buffer.concat([pending, chunk]);
        const header = readProxyHeader(pending);
        if (header === 'more') return;
        cancel();
        socket.pause().off('data', read).off('error', onError);
        if (header === 'wrong') {
          socket.destroy();
          return;
        }
        if (header.address !== undefined) clientAddresses.set(socket, header.address);
        if (pending.length > header.length) socket.unshift(pending.subarray(header.length));
        this.#http.emit('connection', socket);
        socket.resume();
      };
      socket.on('data', read);
      socket.on('end', cancel);
    });
  }
}

function createHttpServer({ certificates, clientTimeoutMs, onRequest, onUpgrade }: FrontOptions): Server {
  const common = {
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: clientTimeoutMs,
    connectionsCheckingInterval: Math.min(5000, clientTimeoutMs / 2),
    // No total limit: bodies may take any time while they make progress (see endIfStuck).
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requireHostHeader: false,
    noDelay: true,
    keepAlive: true,
    shouldUpgradeCallback: onUpgrade === undefined ? () => false : isUpgrade,
  };
  const server =
    certificates === undefined
      ? createServer(common, onRequest)
      : createTlsServer(
          {
            ...common,
            ...certificates().fallback,
            ALPNProtocols: ['http/1.1'],
            SNICallback: (name, answer) => {
              const context = certificates().for(name);
              answer(context === undefined ? new Error('there is no certificate yet') : null, context);
            },
          },
          onRequest,
        );
  server.timeout = clientTimeoutMs;
  // By default Node drops headers beyond 2,000 silently; their size is limited already.
  server.maxHeadersCount = 0;
  return server;
}

/**
 * Ignores `Upgrade: h2c` (optional, RFC 9110 §7.8; some clients offer it to every server), upgrades with a body (their
 * framing would be ambiguous), and upgrades in HTTP/1.0.
 */
function isUpgrade(request: IncomingMessage): boolean {
  const { upgrade } = request.headers;
  return upgrade !== undefined && !/^h2c?$/i.test(upgrade) && !hasBody(request) && request.httpVersionMinor > 0;
}

/** Ends a connection without progress if the client owes bytes or does not read; a silent backend is no reason. */
function endIfStuck(socket: Socket, againMs: number): void {
  const { _httpMessage: response } = socket as { _httpMessage?: ServerResponse };
  const waitsForBackend = response?.req.complete === true && socket.writableLength === 0;
  if (waitsForBackend) socket.setTimeout(againMs);
  else socket.destroy();
}

/** Responds to bytes that are no HTTP request, and to requests that are too slow or too large. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex, clock: Clock): void {
  // The client keeps sending after we refused it.
  if (socket.writableEnded) return;
  if (error.code === 'ECONNRESET') return void socket.destroy();
  if (!writePage(socket, sentencePage(...refusalOf(error), undefined))) return;
  // Linger: closing with unread bytes resets the connection and loses the response.
  clock.after(LINGER_MS, () => socket.destroy());
}

function refusalOf(error: NodeJS.ErrnoException): [status: number, sentence: string] {
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return [431, `The head of the request is larger than ${MAX_HEAD_BYTES} bytes.`];
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'The request did not arrive in time.'];
  // llhttp knows a fixed list of methods and fails on all others, for which RFC 9110 §9.1 asks for 501.
  const { rawPacket } = error as { rawPacket?: Buffer };
  if (error.code === 'HPE_INVALID_METHOD' && rawPacket !== undefined && REQUEST_LINE.test(rawPacket.toString('latin1')))
    return [501, 'This server does not know that method.'];
  // llhttp accepts URLs as RFC 3986 defines them, without bytes above ASCII; RFC 9112 §3.2 asks for 400.
  if (error.code === 'HPE_INVALID_URL')
    return [400, 'The path of the request has characters that must be percent-encoded.'];
  return [400, 'That is no request this server understands.'];
}
