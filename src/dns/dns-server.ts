import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server as TcpServer } from 'node:net';
import { type Clock, formatHostPort, type HostPort, type Log, listenWhenFree, type Random } from '../lib/index.ts';
import type { Catalog } from '../services/index.ts';
import { Answerer } from './answerer.ts';
import { Forwarder } from './forwarder.ts';
import { serveTcpConnection } from './tcp-connection.ts';

export interface DnsOptions {
  readonly catalog: Catalog;
  /** The only datacenter of this cluster; names may contain it. */
  readonly datacenter: string;
  readonly listen: readonly HostPort[];
  /** Returns the recursors for names outside `consul.` in the order in which to ask them; called for each such name. */
  readonly recursors: () => readonly HostPort[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface DnsServer {
  /** The addresses on which the server listens at present. */
  readonly addresses: readonly HostPort[];
  close(): Promise<void>;
}

const MAX_TCP_CONNECTIONS = 1000;
/** Queries that the kernel queues while this process is busy, in bytes. */
const SOCKET_BUFFER_BYTES = 1 << 20;

/**
 * Serves the catalog's names by UDP and TCP and forwards other names. An address that cannot be bound is logged and
 * retried, while the other addresses are served.
 */
export async function serveDns(options: DnsOptions): Promise<DnsServer> {
  const { clock, random, log, listen } = options;
  const stopping = new AbortController();
  const bound: Bound[] = [];
  const recursors = () =>
    options.recursors().filter((recursor) => !bound.some(({ address }) => isSame(address, recursor)));
  const forwarder = new Forwarder({ recursors, clock, random, log });
  const answerer = new Answerer({ ...options, forwarder });
  const open = async (wanted: HostPort) => {
    const listener = await bind(wanted, answerer, clock);
    if (stopping.signal.aborted) return listener.close();
    bound.push(listener);
    log.info('DNS answers', { address: formatHostPort(listener.address) });
  };
  for (const address of listen)
    await listenWhenFree({ what: 'DNS', address, open, clock, log, signal: stopping.signal });
  return {
    get addresses() {
      return bound.map(({ address }) => address);
    },
    async close() {
      stopping.abort();
      forwarder.close();
      await Promise.all(bound.map((listener) => listener.close()));
    },
  };
}

interface Bound {
  readonly address: HostPort;
  close(): Promise<void>;
}

function isSame(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.host === b.host;
}

/** Binds UDP and TCP at one address; port 0 becomes the same free port for both. */
async function bind(wanted: HostPort, answerer: Answerer, clock: Clock): Promise<Bound> {
  const tcp = await listenTcp(wanted, answerer, clock);
  const port = (tcp.server.address() as { port: number }).port;
  try {
    const udp = await listenUdp({ host: wanted.host, port }, answerer);
    const close = async () => {
      await Promise.all([udp.close(), tcp.close()]);
    };
    return { address: { host: wanted.host, port }, close };
  } catch (error) {
    await tcp.close();
    throw error;
  }
}

type Lookup = NonNullable<SocketOptions['lookup']>;

async function listenUdp({ host, port }: HostPort, answerer: Answerer): Promise<{ close(): Promise<void> }> {
  // dgram looks up each destination before it sends; clients' addresses are numeric, and skipping the lookup saves a
  // turn of the event loop per response.
  const lookup: Lookup = (address, _, found) => found(null, address, 0);
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', lookup });
  let open = true;
  const close = () => {
    open = false;
    return closeSocket(socket);
  };
  socket.on('message', (packet, from) => {
    // Port 0 asks for no response (RFC 768), and Node throws when told to send there.
    if (from.port === 0) return;
    answerer.answer(packet, 'udp', (reply) => {
      // A recursor's response may come after this socket has closed.
      if (open) socket.send(reply, from.port, from.address);
    });
  });
  const listening = once(socket, 'listening');
  socket.bind({ address: host, port, exclusive: true });
  try {
    await listening;
  } catch (error) {
    await close();
    throw error;
  }
  // A response that could not be sent: the client has gone, so the error has no receiver.
  socket.on('error', () => {});
  socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
  socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  return { close };
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}

async function listenTcp(
  { host, port }: HostPort,
  answerer: Answerer,
  clock: Clock,
): Promise<{ readonly server: TcpServer; close(): Promise<void> }> {
  const server = createServer({ noDelay: true });
  const connections = new Set<{ destroy(): void }>();
  server.maxConnections = MAX_TCP_CONNECTIONS;
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serveTcpConnection(socket, answerer, clock);
  });
  server.listen({ host, port, exclusive: true });
  await once(server, 'listening');
  // A connection that cannot be accepted must not end the process.
  server.on('error', () => {});
  const close = async () => {
    for (const connection of connections) connection.destroy();
    server.close();
    await once(server, 'close');
  };
  return { server, close };
}
