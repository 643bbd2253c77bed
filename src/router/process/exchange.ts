import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { type Clock, messageOf } from '../../lib/index.ts';
import { answerPage, hasBody } from './answer-page.ts';
import type { BackendState, PendingRequest } from './backend-state.ts';
import type { Balancer } from './balancer.ts';
import { expectContinue } from './expect-continue.ts';
import { answerHeaders } from './headers.ts';
import { InterimResponses } from './interim-responses.ts';
import { type RouterPage, sentencePage, unavailablePage } from './pages.ts';
import { reasonOf } from './reason.ts';
import { announcedTrailers, passedTrailers } from './trailers.ts';

export interface ExchangeOptions {
  readonly service: string;
  /** Returns the balancer of the route as it is now; undefined when the route is gone. */
  readonly balancer: () => Balancer | undefined;
  readonly path: string;
  /** For the backend: names and values alternate. */
  readonly headers: string[];
  readonly clock: Clock;
  /** Milliseconds after which a failed request is not retried. */
  readonly patienceMs: number;
}

type Controller = Dispatcher.DispatchController;

/** Idempotent methods (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
/** Error codes that mean that no byte of the request was sent. */
const NOT_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'EADDRNOTAVAIL',
]);
const NO_ANSWER = 'UND_ERR_HEADERS_TIMEOUT';
/** Statuses without a body, whatever length the head names: 304 may name the length of the client's copy. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 304]);
const MAX_TRIES = 3;
const SMALL_BYTES = 16 * 1024;
/**
 * Bytes of a request body that are read and dropped after the backend stopped reading it; beyond them, or after
 * DROPPED_MS, the connection is closed.
 */
const DROPPED_BYTES = 64 * 1024 * 1024;
/** nginx's default (`lingering_time`). */
const DROPPED_MS = 30_000;

/** True when a request that failed in this way may go to another backend: no byte was sent, or it is idempotent. */
export function mayRepeat(method: string, error: Error | undefined): boolean {
  return IDEMPOTENT.has(method) || NOT_CONNECTED.has(codeOf(error));
}

/** Sends one request to a backend, to another one if the first fails, and the response back to the client. */
export class Exchange implements Dispatcher.DispatchHandler, PendingRequest {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: ExchangeOptions;
  readonly #hasBody: boolean;
  /** The client waits for 100 before it sends its body. Node itself refuses all other expectations. */
  readonly #expects: boolean;
  readonly #startMs: number;
  readonly #tried: BackendState[] = [];
  #bodyTaken = false;
  #isDropping = false;
  #state: BackendState | undefined;
  #controller: Controller | undefined;
  #interim: InterimResponses | undefined;
  /** Bytes of the response's body still to come; NaN when unknown. */
  #missing = Number.NaN;

  constructor(request: IncomingMessage, response: ServerResponse, options: ExchangeOptions) {
    this.#request = request;
    this.#response = response;
    this.#options = options;
    this.#startMs = options.clock.monotonic();
    this.#hasBody = hasBody(request);
    this.#expects = this.#hasBody && request.httpVersionMinor > 0 && request.headers.expect !== undefined;
    response.on('close', () => this.#clientGone());
  }

  /** The backend that has the request, or had it last. */
  get backend(): BackendState | undefined {
    return this.#tried.at(-1);
  }

  start(): void {
    this.#try(undefined);
  }

  /** Withdraws the request if the backend has sent no response and another backend may get it. */
  leave(): void {
    if (this.#response.headersSent || !this.#mayRepeat(undefined)) return;
    this.abandon();
  }

  abandon(): void {
    this.#controller?.abort(new Error('its machine is lost'));
  }

  #try(failure: Error | undefined): void {
    const { balancer, path, headers } = this.#options;
    const state = balancer()?.pick(this.#tried);
    if (state === undefined) {
      this.#giveUp(failure);
      return;
    }
    this.#tried.push(state);
    this.#state = state;
    state.began(this);
    const method = this.#request.method as Dispatcher.HttpMethod;
    try {
      if (this.#expects) {
        const { clock, patienceMs: answerTimeoutMs } = this.#options;
        const { backend, connectTimeoutMs } = state;
        const body = this.#body();
        expectContinue({ backend, method, path, headers, body, clock, connectTimeoutMs, answerTimeoutMs }, this);
        return;
      }
      // undici accepts any iterable as body, but its types do not say so.
      const body = this.#hasBody ? (this.#body() as unknown as Readable) : null;
      state.pool.dispatch({ path, method, headers, body, idempotent: false }, this);
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  /** Yields the body. It is read only when a connection takes it, so that until then it can go to another backend. */
  async *#body(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of this.#request.iterator({ destroyOnReturn: false })) {
        this.#bodyTaken = true;
        yield chunk as Buffer;
      }
    } finally {
      // A stream does not flow while an iterator reads it; only now can the rest be dropped.
      if (this.#response.writableEnded) this.#dropBody();
    }
  }

  /**
   * Reads and drops the rest of the request's body: a client that reads no response before it has sent everything would
   * wait forever, and the next request on its connection too.
   */
  #dropBody(): void {
    const request = this.#request;
    if (request.complete || request.destroyed) return;
    if (!this.#isDropping) {
      this.#isDropping = true;
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > DROPPED_BYTES) request.destroy();
      });
      request.on(
        'close',
        this.#options.clock.after(DROPPED_MS, () => request.destroy()),
      );
    }
    request.resume();
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#response.destroyed) controller.abort(new Error('the client has gone'));
  }

  onResponseStart(controller: Controller, status: number, parsed: IncomingHttpHeaders, message?: string): void {
    if (status < 200) {
      this.#inform(controller, status);
      return;
    }
    this.#missing = Number(parsed['content-length'] ?? Number.NaN);
    const headers = answerHeaders(controller.rawHeaders as Buffer[]);
    const trailers = announcedTrailers(this.#response, status, parsed);
    if (trailers !== undefined) headers.push('trailer', trailers);
    // Node closes the connection of a client that expected 100 and did not get it. This client did not wait: closing
    // with unread bytes would lose the response.
    if (this.#expects && !this.#bodyTaken && this.#request.readableLength > 0) this.#response.writeContinue();
    try {
      // undici decodes the reason phrase as UTF-8; its bytes are forwarded unchanged.
      const phrase = message && Buffer.from(message).toString('latin1');
      this.#response.writeHead(status, reasonOf(status, phrase), headers);
    } catch (error) {
      // Node throws for headers that its own parser would refuse: treat the response as broken.
      controller.abort(error as Error);
      return;
    }
    this.#state!.succeeded();
    // End here: undici waits for the announced number of bytes and then reports a broken response.
    if (WITHOUT_BODY.has(status)) this.#response.end();
  }

  #inform(controller: Controller, status: number): void {
    this.#interim ??= new InterimResponses();
    try {
      const headers = this.#interim.next(controller.rawHeaders as Buffer[]);
      if (status === 100) this.#response.writeContinue();
      // HTTP/1.0 has no informational responses.
      else if (this.#request.httpVersionMinor > 0) this.#response.writeInformation(status, headers);
    } catch (error) {
      controller.abort(error as Error);
    }
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#missing -= chunk.length;
    if (this.#missing === 0) {
      // One packet for head and body: Node joins a string, but not a Buffer, with the head.
      if (chunk.length <= SMALL_BYTES) this.#response.end(chunk.toString('latin1'), 'latin1');
      else this.#response.end(chunk);
      return;
    }
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  onResponseEnd(controller?: Controller): void {
    this.#over();
    if (!this.#response.writableEnded) this.#end(controller?.rawTrailers as Buffer[] | undefined);
    this.#dropBody();
  }

  #end(trailers: readonly Buffer[] = []): void {
    try {
      if (trailers.length > 0) this.#response.addTrailers(passedTrailers(trailers));
      this.#response.end();
    } catch {
      // Node refused the trailers: break the connection, so that the client does not take the response for complete.
      this.#response.destroy();
    }
  }

  onResponseError(_: unknown, error: Error): void {
    // An error after the complete response is not a failure of the request.
    if (this.#response.writableEnded) this.onResponseEnd();
    else this.#failed(error);
  }

  #failed(error: Error): void {
    const state = this.#state;
    this.#over();
    if (this.#response.destroyed || this.#request.errored) return;
    state?.failed(messageOf(error));
    if (this.#response.headersSent) {
      // Break the connection, so that the client does not take the response for complete.
      this.#response.destroy();
    } else if (this.#mayRepeat(error)) this.#try(error);
    else this.#giveUp(error);
  }

  #over(): void {
    this.#state?.ended(this);
    this.#state = undefined;
    this.#controller = undefined;
  }

  #mayRepeat(error: Error | undefined): boolean {
    const { clock, patienceMs } = this.#options;
    if (this.#bodyTaken || this.#tried.length >= MAX_TRIES) return false;
    if (clock.monotonic() - this.#startMs >= patienceMs) return false;
    return mayRepeat(this.#request.method!, error);
  }

  #giveUp(error: Error | undefined): void {
    answerPage(this.#request, this.#response, this.#failurePage(error));
  }

  #failurePage(error: Error | undefined): RouterPage {
    const { service } = this.#options;
    const { accept } = this.#request.headers;
    if (error === undefined) return unavailablePage(service, accept);
    return codeOf(error) === NO_ANSWER
      ? sentencePage(504, `${service} did not answer in time.`, accept)
      : sentencePage(502, `${service} could not be reached.`, accept);
  }

  #clientGone(): void {
    if (this.#response.writableFinished) return;
    this.#controller?.abort(new Error('the client has gone'));
  }
}

function codeOf(error: Error | undefined): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? '';
}
