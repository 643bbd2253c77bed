import type { Clock } from '../lib/index.ts';
import { GrpcError, STATUS } from './grpc/index.ts';
import { AuthenticateRequest, AuthenticateResponse } from './proto/index.ts';

interface Token {
  readonly text: string;
  /** By Clock.monotonic. */
  readonly givenAt: number;
}

export interface LoginOptions {
  readonly username: string;
  readonly password: string;
  readonly clock: Clock;
  /** Sends an AuthenticateRequest. */
  authenticate(request: Buffer): Promise<Buffer>;
}

// Behind client certificates etcd does not say that it has forgotten a token; it denies everything.
const TRUSTED_MS = 5000;

/** A user's token, asked for when it is needed and again when the server has forgotten it. */
export class EtcdLogin {
  readonly #options: LoginOptions;
  #token: Promise<Token> | undefined;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  async token(): Promise<string> {
    this.#token ??= this.#ask().catch((error) => {
      this.#token = undefined;
      throw error;
    });
    return (await this.#token).text;
  }

  /** Hears how a call with this token failed; returns whether it should be made again with a new one. */
  async refused(error: unknown, text: string): Promise<boolean> {
    if (!(error instanceof GrpcError)) return false;
    const isInvalid = error.status === STATUS.unauthenticated && /auth token/.test(error.message);
    if (!isInvalid && error.status !== STATUS.permissionDenied) return false;
    // Whoever asks for a new one hears why there is none.
    const token = await this.#token?.catch(() => undefined);
    if (!token || token.text !== text) return true;
    if (!isInvalid && this.#options.clock.monotonic() - token.givenAt < TRUSTED_MS) return false;
    this.#token = undefined;
    return true;
  }

  async #ask(): Promise<Token> {
    const { username, password, clock, authenticate } = this.#options;
    const answer = await authenticate(AuthenticateRequest.encode({ name: username, password }));
    return { text: AuthenticateResponse.decode(answer).token, givenAt: clock.monotonic() };
  }
}
