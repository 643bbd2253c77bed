import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from './log.ts';

export interface UnreadLimits {
  /** Bytes that all clients may leave unread, above which the connection with the most is ended. */
  readonly maxBytes?: number;
  /** Time in which a client must take something of what waits for it. */
  readonly stallMs?: number;
  /** Requests that one connection may send before it has read the response to the first of them. */
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

/** Responses that may stay quiet for as long as they like, such as a followed journal. */
const quiet = new WeakSet<ServerResponse>();

/** Exempts a response from its server's limit on inactivity while nothing of it waits to be read. */
export function mayBeQuiet(response: ServerResponse): void {
  quiet.add(response);
}

/**
 * Bounds what one HTTP server holds for clients that do not read: Node takes requests behind an unanswered one without end,
 * and keeps each response whole until the client has taken it.
 */
export class UnreadResponses {
  readonly #options: Required<UnreadResponsesOptions>;
  readonly #connections = new Map<Socket, Connection>();
  #totalBytes = 0;

  constructor(options: UnreadResponsesOptions) {
    this.#options = { maxBytes: 256 << 20, stallMs: 60_000, maxAhead: 100, maxConnections: 10_000, ...options };
  }

  /** Bytes of whole responses that clients have not taken yet. */
  get bytes(): number {
    return this.#totalBytes;
  }

  /** Applies to `server` what needs no request. */
  watch(server: Server): void {
    server.maxConnections = this.#options.maxConnections;
    server.on('timeout', (socket) => {
      const { _httpMessage: response } = socket as { _httpMessage?: ServerResponse | null };
      if (socket.writableLength > 0) this.#end(socket, 'it takes nothing of its response');
      else if (!response || !quiet.has(response)) socket.destroy();
    });
  }

  /** Passes requests on to `handle`, those of one connection one after the other. */
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
    // A request of a connection that has gone is still passed on when it was parsed together with others.
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
      // The socket's own end gives back the rest.
      if (socket.destroyed) return;
      this.#totalBytes -= connection.unreadBytes;
      connection.unreadBytes = 0;
      connection.isBusy = false;
      connection.waiting.shift()?.();
    });
    handle(incoming, outgoing);
  }

  /** The whole response has been given to the socket. */
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
    // Its 'close' comes later, and the next response may be too much before that.
    this.#forget(socket);
  }
}
