import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from './log.ts';

export interface UnreadLimits {
  /** Limit for the bytes that all clients together leave unread; above it the connection with the most is closed. */
  readonly maxBytes?: number;
  /** Milliseconds within which a client must read some of the bytes that wait for it. */
  readonly stallMs?: number;
  /** Limit of requests that one connection may send before it has read the first response. */
  readonly maxAhead?: number;
  readonly maxConnections?: number;
}

export interface UnreadResponsesOptions extends UnreadLimits {
  /** Name of the server, for the log. */
  readonly what: string;
  readonly log: Log;
}

interface Connection {
  unreadBytes: number;
  isBusy: boolean;
  readonly waiting: (() => void)[];
}

/** Responses without a limit on inactivity, such as a followed journal. */
const quiet = new WeakSet<ServerResponse>();

/** Exempts a response from its server's limit on inactivity while nothing of it waits to be read. */
export function mayBeQuiet(response: ServerResponse): void {
  quiet.add(response);
}

/**
 * Bounds the memory that one HTTP server holds for clients that do not read. Node accepts any number of pipelined
 * requests and keeps each response until the client has read it.
 */
export class UnreadResponses {
  readonly #options: Required<UnreadResponsesOptions>;
  readonly #connections = new Map<Socket, Connection>();
  #totalBytes = 0;

  constructor(options: UnreadResponsesOptions) {
    this.#options = { maxBytes: 256 << 20, stallMs: 60_000, maxAhead: 100, maxConnections: 10_000, ...options };
  }

  /** Bytes of complete responses that clients have not read yet. */
  get bytes(): number {
    return this.#totalBytes;
  }

  /** Installs the limits that need no request: connections and inactivity. */
  watch(server: Server): void {
    server.maxConnections = this.#options.maxConnections;
    server.on('timeout', (socket) => {
      const { _httpMessage: response } = socket as { _httpMessage?: ServerResponse | null };
      if (socket.writableLength > 0) this.#end(socket, 'it takes nothing of its response');
      else if (!response || !quiet.has(response)) socket.destroy();
    });
  }

  /** Passes requests to `handle`; those of one connection one after the other. */
  inTurn(handle: RequestListener): RequestListener {
    return (incoming, outgoing) => {
      const connection = this.#connectionOf(incoming.socket);
      if (!connection.isBusy) this.#run(handle, connection, incoming, outgoing);
      else if (connection.waiting.length < this.#options.maxAhead)
        connection.waiting.push(() => this.#run(handle, connection, incoming, outgoing));
      else this.#end(incoming.socket, `it sends more than ${this.#options.maxAhead} requests ahead`);
    };
  }

  #connectionOf(socket: Socket): Connection {
    const known = this.#connections.get(socket);
    if (known) return known;
    const connection: Connection = { unreadBytes: 0, isBusy: false, waiting: [] };
    // Node passes on a request of a closed connection when it was parsed together with others.
    if (socket.destroyed) return connection;
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#forget(socket));
    return connection;
  }

  #forget(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (!connection) return;
    this.#connections.delete(socket);
    this.#totalBytes -= connection.unreadBytes;
    connection.waiting.length = 0;
  }

  #run(handle: RequestListener, connection: Connection, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { socket } = incoming;
    connection.isBusy = true;
    outgoing.once('prefinish', () => this.#addUnread(socket, connection));
    outgoing.once('close', () => {
      // The 'close' of the socket releases the rest.
      if (socket.destroyed) return;
      this.#totalBytes -= connection.unreadBytes;
      connection.unreadBytes = 0;
      connection.isBusy = false;
      connection.waiting.shift()?.();
    });
    handle(incoming, outgoing);
  }

  /** Counts a response that has been written to the socket as a whole. */
  #addUnread(socket: Socket, connection: Connection): void {
    const bytes = socket.writableLength;
    if (bytes === 0 || !this.#connections.has(socket)) return;
    connection.unreadBytes = bytes;
    this.#totalBytes += bytes;
    socket.setTimeout(this.#options.stallMs);
    if (this.#totalBytes > this.#options.maxBytes) this.#endLargest();
  }

  #endLargest(): void {
    const [socket] = [...this.#connections].reduce((a, b) => (b[1].unreadBytes > a[1].unreadBytes ? b : a));
    this.#end(socket, `clients have left ${this.#totalBytes} bytes unread, it the most of them`);
  }

  #end(socket: Socket, reason: string): void {
    if (socket.destroyed) return;
    const { what, log } = this.#options;
    const unreadBytes = this.#connections.get(socket)?.unreadBytes ?? 0;
    log.warn('Connection ended', { what, client: socket.remoteAddress ?? 'local', reason, unreadBytes });
    socket.destroy();
    // Its 'close' comes later; until then its bytes would count against the next response.
    this.#forget(socket);
  }
}
