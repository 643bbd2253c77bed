import { Backoff, type Clock, type Log, messageOf, type Random, RepeatedFailure } from '../../lib/index.ts';
import {
  type CallHeaders,
  type ClientStream,
  connect,
  type GrpcConnection,
  type StreamEvents,
  type TlsOptions,
} from './connection.ts';
import { GrpcError, STATUS } from './status.ts';

export interface ChannelOptions {
  /** `http://HOST:PORT` or `https://HOST:PORT`; tried in turn. */
  readonly endpoints: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly tls?: TlsOptions | undefined;
}

const CONNECT_TIMEOUT_MS = 2000;
// A restarting store is back within this time: hold requests back instead of failing them.
const CONNECT_GRACE_MS = 1000;

/** A connection to the first endpoint that accepts one. When it breaks, the next call connects to the next endpoint. */
export class Channel {
  readonly #options: ChannelOptions;
  readonly #closed = new AbortController();
  #connection: GrpcConnection | undefined;
  #connecting: Promise<GrpcConnection> | undefined;
  #next = 0;
  /** Repeated failures by endpoint. */
  readonly #failures = new Map<string, RepeatedFailure>();

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** Sends a unary call. Rejects with GrpcError; `unsent` marks calls that certainly had no effect. */
  async unary(path: string, headers: CallHeaders, message: Uint8Array, timeoutMs: number): Promise<Buffer> {
    const connection = await this.#connect();
    try {
      return await connection.unary(path, headers, message, timeoutMs);
    } catch (error) {
      // A member that has lost its cluster still accepts connections: try another one.
      if (error instanceof GrpcError && error.status === STATUS.unavailable) this.#leave(connection);
      throw error;
    }
  }

  /**
   * Opens a bidirectional stream. `leave` on the result reports that this server is useless and another should be
   * tried.
   */
  async stream(path: string, headers: CallHeaders, events: StreamEvents): Promise<ChannelStream> {
    const connection = await this.#connect();
    const stream = connection.stream(path, headers, events);
    return { ...stream, leave: () => this.#leave(connection), destroyConnection: () => connection.destroy() };
  }

  /** Ends all calls and refuses new ones. */
  close(): void {
    this.#closed.abort();
    this.#connection?.destroy();
  }

  #leave(connection: GrpcConnection): void {
    if (this.#connection === connection && this.#options.endpoints.length > 1) connection.close();
  }

  async #connect(): Promise<GrpcConnection> {
    if (this.closed) throw new GrpcError(STATUS.cancelled, 'the store client was closed', { unsent: true });
    if (this.#connection?.usable) return this.#connection;
    this.#connecting ??= this.#dial().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** Tries every endpoint repeatedly for the time of grace. */
  async #dial(): Promise<GrpcConnection> {
    const { clock, random, endpoints } = this.#options;
    const backoff = new Backoff({ minMs: 20, maxMs: 200 }, random);
    const until = clock.monotonic() + CONNECT_GRACE_MS;
    for (;;) {
      let failure: unknown;
      for (let tries = 0; tries < endpoints.length; tries++) {
        try {
          return await this.#dialNext();
        } catch (error) {
          failure = error;
        }
      }
      if (clock.monotonic() >= until || this.closed) throw failure;
      await clock.sleep(backoff.next(), this.#closed.signal).catch(() => {});
    }
  }

  async #dialNext(): Promise<GrpcConnection> {
    const { endpoints, clock, tls } = this.#options;
    const endpoint = endpoints[this.#next % endpoints.length]!;
    try {
      const connection = await connect({ endpoint, clock, tls, timeoutMs: CONNECT_TIMEOUT_MS });
      this.#failures.get(endpoint)?.succeeded();
      if (this.closed) connection.destroy();
      else this.#use(connection);
      return connection;
    } catch (error) {
      this.#next++;
      this.#failureOf(endpoint).failed(messageOf(error));
      throw error;
    }
  }

  #failureOf(endpoint: string): RepeatedFailure {
    const { clock, log } = this.#options;
    const [sentence, over] = ['Cannot reach a store endpoint', 'Reached a store endpoint again'];
    const known = this.#failures.get(endpoint);
    const failure = known ?? new RepeatedFailure({ clock, log, sentence, over, fields: { endpoint } });
    this.#failures.set(endpoint, failure);
    return failure;
  }

  #use(connection: GrpcConnection): void {
    this.#connection = connection;
    connection.onUnusable = () => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      this.#next++;
      if (!this.closed) this.#options.log.info('Lost a store endpoint', { endpoint: connection.endpoint });
    };
  }
}

export interface ChannelStream extends ClientStream {
  /** Makes later calls use another endpoint, if there is one. */
  leave(): void;
  /** Breaks the connection below, which does not respond. */
  destroyConnection(): void;
}
