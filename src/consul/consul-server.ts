import { addAbortListener, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type AdmitPeer,
  askAboutPeers,
  FlotillaError,
  formatHostPort,
  type HostPort,
  listenWhenFree,
  type UnreadLimits,
  UnreadResponses,
} from '../lib/index.ts';
import { type ConsulParts, type ConsulResponse, text } from './exchange.ts';
import { createRespond, type Respond } from './respond.ts';

export interface ConsulOptions extends ConsulParts {
  readonly listen: readonly HostPort[];
  /** Limits for responses that clients leave unread; by default those of `UnreadResponses`. */
  readonly unread?: UnreadLimits;
}

export interface ConsulServer {
  /** The addresses on which the server listens at present. */
  readonly addresses: readonly HostPort[];
  close(): Promise<void>;
}

const HEAD_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than clients keep idle connections, so that they close them and never meet a closed one. */
const KEEP_ALIVE_MS = 120_000;
/** Bytes of an unused request body that are read and dropped before the connection is closed. */
const MAX_DROPPED_BYTES = 8 << 20;

/**
 * Serves Consul's HTTP API. An address that cannot be bound is logged and retried, while the other addresses are
 * served.
 */
export async function serveConsul(options: ConsulOptions): Promise<ConsulServer> {
  const { clock, log, listen } = options;
  const stopping = new AbortController();
  const respond = createRespond(options);
  const unread = new UnreadResponses({ what: "Consul's API", log, ...options.unread });
  const servers: { readonly server: Server; readonly address: HostPort }[] = [];
  const open = async (wanted: HostPort) => {
    const server = await start(wanted, { respond, unread, stopping: stopping.signal, admitPeer: options.admitPeer });
    const address = { host: wanted.host, port: (server.address() as AddressInfo).port };
    servers.push({ server, address });
    log.info("Consul's API answers", { address: formatHostPort(address) });
  };
  for (const address of listen)
    await listenWhenFree({ what: "Consul's API", address, open, clock, log, signal: stopping.signal });
  return {
    get addresses() {
      return servers.map(({ address }) => address);
    },
    async close() {
      stopping.abort(new FlotillaError('unavailable', 'fleetd is stopping'));
      await Promise.all(servers.map(({ server }) => closeServer(server)));
    },
  };
}

interface Serving {
  readonly respond: Respond;
  readonly unread: UnreadResponses;
  readonly stopping: AbortSignal;
  readonly admitPeer: AdmitPeer | undefined;
}

async function start({ host, port }: HostPort, { respond, unread, stopping, admitPeer }: Serving): Promise<Server> {
  const server = createServer(
    {
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requireHostHeader: false,
      noDelay: true,
    },
    unread.inTurn((incoming, outgoing) => {
      const asked = verdictOn(incoming.socket);
      if (asked === undefined) return void handle(incoming, outgoing, { respond, stopping });
      void asked.then((refusal) => {
        if (refusal === undefined) void handle(incoming, outgoing, { respond, stopping });
        else send(incoming, outgoing, text(403, refusal));
      });
    }),
  );
  const verdictOn = askAboutPeers(server, admitPeer);
  unread.watch(server);
  server.listen({ host, port, exclusive: true });
  await once(server, 'listening');
  // A connection that cannot be accepted must not end the process.
  server.on('error', () => {});
  stopping.addEventListener('abort', () => server.close(), { once: true });
  return server;
}

async function handle(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { respond, stopping }: { readonly respond: Respond; readonly stopping: AbortSignal },
): Promise<void> {
  let following: Disposable | undefined;
  // Made on demand: most requests get their response at once and never need the signal.
  const gone = () => {
    const leaving = new AbortController();
    const leave = () => leaving.abort();
    if (outgoing.destroyed || stopping.aborted) leave();
    outgoing.once('close', leave);
    following = addAbortListener(stopping, leave);
    return leaving.signal;
  };
  const answer = await respond(incoming, gone);
  following?.[Symbol.dispose]();
  if (!outgoing.destroyed) send(incoming, outgoing, answer);
}

function send(incoming: IncomingMessage, outgoing: ServerResponse, { status, headers, body }: ConsulResponse): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  outgoing.writeHead(status, { ...headers, 'Content-Length': bytes.length });
  outgoing.end(incoming.method === 'HEAD' ? undefined : bytes);
  if (!incoming.complete) dropBody(incoming);
}

/**
 * Reads the rest of an unused body: closing with unread bytes resets the connection and loses the response, and the
 * next request on the connection stands behind them. A huge body ends with its connection.
 */
function dropBody(incoming: IncomingMessage): void {
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_DROPPED_BYTES) incoming.destroy();
  });
  incoming.resume();
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // Blocking queries have got their responses by then.
    setImmediate(() => server.closeAllConnections());
  });
}
