import { lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { connect, type Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { askAboutPeers, FlotillaError, messageOf, refuseConnection } from '../lib/index.ts';
import { answerError, errorBody } from './answers.ts';
import type { Api } from './api.ts';
import { assertBodySize } from './request-body.ts';

/** Where the API listens: a unix socket, a TCP port (0: any free one), or an inherited socket (LISTEN_FDS). */
export type Listener =
  | { readonly path: string; readonly mode?: number }
  | { readonly host: string; readonly port: number }
  | { readonly fd: number };

export interface ServedApi {
  /** `unix:///run/x.sock` and `http://127.0.0.1:49153`, one for each listener but inherited unix sockets, which do not tell. */
  readonly addresses: readonly string[];
  /** Takes no more connections, ends streams at once, gives answers under way a moment, then closes all connections. */
  close(): Promise<void>;
}

/** How long clients may take, in milliseconds. */
export interface ServeLimits {
  /** For the head of a request. */
  readonly headTimeoutMs: number;
  /** For a whole request, its body included. */
  readonly requestTimeoutMs: number;
  /** A connection on which nothing moves is closed; event streams send a comment more often than this. */
  readonly idleTimeoutMs: number;
}

const LIMITS: ServeLimits = { headTimeoutMs: 10_000, requestTimeoutMs: 30_000, idleTimeoutMs: 60_000 };
const KEEP_ALIVE_MS = 30_000;
const CLOSE_GRACE_MS = 500;
const MAX_HEAD_BYTES = 32 * 1024;

/** Serves one API on all listeners at once; rejects, with none left listening, when one of them cannot be had. */
export async function serveApi(
  api: Api,
  listeners: readonly Listener[],
  limits: ServeLimits = LIMITS,
): Promise<ServedApi> {
  const servers: Server[] = [];
  const close = async () => {
    api.close();
    await Promise.all(servers.map((server) => closeServer(server, api)));
  };
  try {
    for (const listener of listeners) {
      const server = createApiServer(api, limits);
      servers.push(server);
      await listen(server, listener);
    }
  } catch (error) {
    await Promise.all(servers.map((server) => closeServer(server, api)));
    throw error;
  }
  return { addresses: servers.flatMap(addressOf), close };
}

function createApiServer(api: Api, limits: ServeLimits): Server {
  const handle = getRequestListener((request, env) => api.fetch(request, env), {
    // HTTP/1.0 clients send no Host.
    hostname: 'localhost',
    errorHandler: (error) => answerError(new FlotillaError('invalid', `malformed request: ${messageOf(error)}`)),
  });
  const answer = api.unread.inTurn((incoming, outgoing) => {
    outgoing.setHeader('Server', api.server);
    const asked = verdictOn(incoming.socket);
    if (asked === undefined) return void handle(incoming, outgoing);
    void asked.then((refusal) => (refusal === undefined ? handle(incoming, outgoing) : refuseUser(outgoing, refusal)));
  });
  const server = createServer(
    {
      headersTimeout: limits.headTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: limits.headTimeoutMs / 2,
      maxHeaderSize: MAX_HEAD_BYTES,
      requireHostHeader: false,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      noDelay: true,
    },
    answer,
  );
  server.timeout = limits.idleTimeoutMs;
  api.unread.watch(server);
  const verdictOn = askAboutPeers(server, api.admitPeer);
  // Programs like socat close their side once they have sent the request; Node's own types do not know the setting.
  Object.assign(server, { httpAllowHalfOpen: true });
  // A body that announces itself as too large is answered before it is sent.
  server.on('checkContinue', (incoming, outgoing) => {
    if (fits(incoming)) outgoing.writeContinue();
    answer(incoming, outgoing);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuse(api, error, socket));
  return server;
}

function refuseUser(outgoing: ServerResponse, refusal: string): void {
  outgoing.writeHead(403, { 'Content-Type': 'application/json', Connection: 'close' }).end(errorBody(403, refusal));
}

function fits(incoming: IncomingMessage): boolean {
  try {
    assertBodySize(incoming.headers['content-length']);
    return true;
  } catch {
    return false;
  }
}

/** Answers what is no HTTP request, or too slow or too much of one, as far as somebody is still there to read it. */
function refuse(api: Api, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, message] = refusal(error);
  const headers = [`Server: ${api.server}`, 'Content-Type: application/json'];
  refuseConnection(socket, { status, reason: STATUS_CODES[status]!, headers, body: errorBody(status, message) });
}

function refusal(error: NodeJS.ErrnoException): [number, string] {
  if (error.code === 'HPE_HEADER_OVERFLOW') return [431, `the request's head is larger than ${MAX_HEAD_BYTES} bytes`];
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'the request did not arrive in time'];
  return [400, `malformed request: ${error.message}`];
}

async function listen(server: Server, listener: Listener): Promise<void> {
  if ('path' in listener) await removeStaleSocket(listener.path);
  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(cannotListen(listener, error));
    server.once('error', failed);
    server.once('listening', () => {
      server.off('error', failed);
      resolve();
    });
    startListening(server, listener);
  });
}

function startListening(server: Server, listener: Listener): void {
  if (!('path' in listener)) {
    server.listen(listener);
    return;
  }
  // The socket is made inside listen(): a mode set afterwards would leave it open to all for a moment.
  const mask = listener.mode === undefined ? undefined : process.umask(0o777 & ~listener.mode);
  try {
    server.listen(listener.path);
  } finally {
    if (mask !== undefined) process.umask(mask);
  }
}

function cannotListen(listener: Listener, error: NodeJS.ErrnoException): FlotillaError {
  const where = describe(listener);
  const because: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program listens there: stop it or choose another address',
    EACCES: 'permission denied: run as root or choose a place this user may use',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOENT: 'its directory does not exist: create it',
  };
  const reason = because[error.code ?? ''] ?? error.message;
  return new FlotillaError('conflict', `cannot listen on ${where}: ${reason}`, { code: error.code }, error);
}

function describe(listener: Listener): string {
  if ('path' in listener) return listener.path;
  return 'fd' in listener ? `inherited socket ${listener.fd}` : `${listener.host}:${listener.port}`;
}

/** A socket file outlives its process when that was killed; it is removed only when nobody answers on it. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new FlotillaError('conflict', `cannot listen on ${path}: it exists and is no socket`);
  if (await answers(path)) {
    throw new FlotillaError(
      'conflict',
      `cannot listen on ${path}: another program listens there: stop it or choose another path`,
    );
  }
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Only these say that nobody is there; a full backlog or missing rights do not.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(!['ECONNREFUSED', 'ENOENT'].includes(error.code ?? '')),
    );
  });
}

function addressOf(server: Server): string[] {
  const address = server.address();
  if (address === null) return [];
  if (typeof address === 'string') return [`unix://${address}`];
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return [`http://${host}:${address.port}`];
}

function closeServer(server: Server, api: Api): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = api.clock.after(CLOSE_GRACE_MS, () => server.closeAllConnections());
    server.close(() => {
      cancel();
      resolve();
    });
    server.closeIdleConnections();
  });
}
