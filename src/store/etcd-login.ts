import type { Clock } from '../lib/index.ts';
import { GrpcError, STATUS } from './grpc/index.ts';
import { AuthenticateRequest, AuthenticateResponse } from './proto/index.ts';

interface Token {
  readonly text: string;
  /** Monotonic milliseconds. */
  readonly givenAt: number;
}

export interface LoginOptions {
  readonly username: string;
  readonly password: string;
  readonly clock: Clock;
  /** Sends an AuthenticateRequest. */
  authenticate(request: Buffer): Promise<Buffer>;
}

// With client certificates etcd does not report a forgotten token but denies every call: a token this young is trusted.
const TRUSTED_MS = 5000;

/** Obtains the user's token on first use, and again when the server has forgotten it. */
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

  /** Handles the failure of a call with this token; returns true when the call should be repeated with a new token. */
  async refused(error: unknown, text: string): Promise<boolean> {
    if (!(error instanceof GrpcError)) return false;
    const isInvalid = error.status === STATUS.unauthenticated && /auth token/.test(error.message);
    if (!isInvalid && error.status !== STATUS.permissionDenied) return false;
    // The caller that obtains the new token gets the error.
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
