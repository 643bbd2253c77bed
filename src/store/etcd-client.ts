import { Backoff, type Clock, type Log, type Random } from '../lib/index.ts';
import { flotillaError } from './etcd-errors.ts';
import { Channel, type ChannelStream, GrpcError, STATUS, type StreamEvents, type TlsOptions } from './grpc/index.ts';
import { AuthenticateRequest, AuthenticateResponse, METHODS } from './proto/index.ts';

export interface EtcdClientOptions {
  /** `http://HOST:PORT` or `https://HOST:PORT` of one or more members; tried in turn. */
  readonly endpoints: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How long to wait for an answer. Default 5 s. */
  readonly requestTimeoutMs?: number | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: TlsOptions | undefined;
}

interface Encoder<In> {
  encode(value: In): Buffer;
}
interface Decoder<Out> {
  decode(bytes: Uint8Array): Out;
}

export interface Call<In, Out> {
  readonly path: string;
  readonly request: Encoder<In>;
  readonly response: Decoder<Out>;
  /** Reads, and whatever else may be sent twice: tried again on another connection when one breaks. */
  readonly repeatable: boolean;
}

const DEFAULT_TIMEOUT_MS = 5000;
const MOST_REPEATS = 4;
// A member without a leader answers at once instead of holding the request, and ends its watches.
const HEADERS = { hasleader: 'true' };

/** Typed calls of the etcd v3 API. All reject with FlotillaError. */
export class EtcdClient {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly #channel: Channel;
  readonly #options: EtcdClientOptions;
  readonly #timeoutMs: number;
  #token: Promise<string> | undefined;

  constructor(options: EtcdClientOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.#timeoutMs = options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#channel = new Channel(options);
  }

  get closed(): boolean {
    return this.#channel.closed;
  }

  async call<In, Out>(call: Call<In, Out>, value: In): Promise<Out> {
    const message = call.request.encode(value);
    const until = this.clock.monotonic() + this.#timeoutMs;
    const backoff = new Backoff({ minMs: 5, maxMs: 200 }, this.random);
    for (let repeats = 0; ; repeats++) {
      try {
        return call.response.decode(await this.#send(call.path, message, until));
      } catch (error) {
        const late = repeats === MOST_REPEATS || this.clock.monotonic() >= until;
        if (late || !this.#mayRepeat(call, error)) throw flotillaError(error);
        await this.clock.sleep(backoff.next());
      }
    }
  }

  /** Opens a two-way stream; rejects with FlotillaError when it cannot be opened. */
  async stream(path: string, events: StreamEvents): Promise<ChannelStream> {
    try {
      return await this.#channel.stream(path, await this.#headers(), events);
    } catch (error) {
      throw flotillaError(error);
    }
  }

  close(): void {
    this.#channel.close();
  }

  async #send(path: string, message: Buffer, until: number): Promise<Buffer> {
    const headers = await this.#headers();
    const leftMs = Math.max(1, until - this.clock.monotonic());
    try {
      return await this.#channel.unary(path, headers, message, leftMs);
    } catch (error) {
      if (isTokenRefused(error)) this.#token = undefined;
      throw error;
    }
  }

  #mayRepeat(call: Call<never, unknown>, error: unknown): boolean {
    if (!(error instanceof GrpcError) || this.closed) return false;
    if (isTokenRefused(error)) return this.#options.username !== undefined;
    // Only a broken connection: when none can be made, the channel has tried for long enough already.
    return error.status === STATUS.unavailable && call.repeatable && !error.unsent;
  }

  async #headers(): Promise<Record<string, string>> {
    if (this.#options.username === undefined) return HEADERS;
    this.#token ??= this.#authenticate().catch((error) => {
      this.#token = undefined;
      throw error;
    });
    return { ...HEADERS, token: await this.#token };
  }

  async #authenticate(): Promise<string> {
    const { username = '', password = '' } = this.#options;
    const request = AuthenticateRequest.encode({ name: username, password });
    const answer = await this.#channel.unary(METHODS.authenticate, HEADERS, request, this.#timeoutMs);
    return AuthenticateResponse.decode(answer).token;
  }
}

function isTokenRefused(error: unknown): boolean {
  return (
    error instanceof GrpcError && error.status === STATUS.unauthenticated && /invalid auth token/.test(error.message)
  );
}
