import { Backoff, type Clock, type Log, type Random } from '../lib/index.ts';
import { flotillaError } from './etcd-errors.ts';
import { EtcdLogin } from './etcd-login.ts';
import { Channel, type ChannelStream, GrpcError, STATUS, type StreamEvents, type TlsOptions } from './grpc/index.ts';
import { METHODS } from './proto/index.ts';

export interface EtcdClientOptions {
  /** `http://HOST:PORT` or `https://HOST:PORT` of the members; tried in turn. */
  readonly endpoints: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Limit for a response. Default 5 s. */
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

export interface UnaryCall<In, Out> {
  readonly path: string;
  readonly request: Encoder<In>;
  readonly response: Decoder<Out>;
  /** True for reads and other idempotent calls, which are repeated on another connection when one breaks. */
  readonly repeatable: boolean;
}

const DEFAULT_TIMEOUT_MS = 5000;
const MOST_REPEATS = 4;
// Makes a member without a leader fail at once instead of holding the request, and end its watches.
const HEADERS = { hasleader: 'true' };

/** Typed calls of the etcd v3 API. All reject with FlotillaError. */
export class EtcdClient {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly #channel: Channel;
  readonly #timeoutMs: number;
  readonly #login: EtcdLogin | undefined;

  constructor(options: EtcdClientOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.#timeoutMs = options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#channel = new Channel(options);
    const { clock, username, password = '' } = options;
    const authenticate = (request: Buffer) =>
      this.#channel.unary(METHODS.authenticate, HEADERS, request, this.#timeoutMs);
    if (username !== undefined) this.#login = new EtcdLogin({ username, password, clock, authenticate });
  }

  get closed(): boolean {
    return this.#channel.closed;
  }

  async call<In, Out>(call: UnaryCall<In, Out>, value: In): Promise<Out> {
    const message = call.request.encode(value);
    const until = this.clock.monotonic() + this.#timeoutMs;
    const backoff = new Backoff({ minMs: 5, maxMs: 200 }, this.random);
    for (let repeats = 0; ; repeats++) {
      const attempt = await this.#attempt(call, message, until);
      if ('answer' in attempt) return attempt.answer;
      const late = repeats === MOST_REPEATS || this.clock.monotonic() >= until || this.closed;
      if (late || !attempt.again) throw flotillaError(attempt.error);
      await this.clock.sleep(backoff.next());
    }
  }

  /** Opens a bidirectional stream; rejects with FlotillaError when that fails. */
  async stream(path: string, events: StreamEvents): Promise<ChannelStream> {
    try {
      const token = await this.#login?.token();
      const ended = (error: GrpcError | undefined) => {
        if (token !== undefined) void this.#login?.refused(error, token);
        events.ended(error);
      };
      return await this.#channel.stream(path, headersWith(token), { message: events.message, ended });
    } catch (error) {
      throw flotillaError(error);
    }
  }

  close(): void {
    this.#channel.close();
  }

  async #attempt<Out>(call: UnaryCall<never, Out>, message: Buffer, until: number): Promise<Attempt<Out>> {
    let token: string | undefined;
    try {
      token = await this.#login?.token();
      const leftMs = Math.max(1, until - this.clock.monotonic());
      return {
        answer: call.response.decode(await this.#channel.unary(call.path, headersWith(token), message, leftMs)),
      };
    } catch (error) {
      if (token !== undefined && (await this.#login?.refused(error, token))) return { error, again: true };
      return { error, again: call.repeatable && isBrokenConnection(error) };
    }
  }
}

type Attempt<Out> = { readonly answer: Out } | { readonly error: unknown; readonly again: boolean };

function headersWith(token: string | undefined): Record<string, string> {
  return token === undefined ? HEADERS : { ...HEADERS, token };
}

/** True for a connection that broke, not for one that could not be made: the channel has retried that already. */
function isBrokenConnection(error: unknown): boolean {
  return error instanceof GrpcError && error.status === STATUS.unavailable && !error.unsent;
}
