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
  /** The one of the route as it is now; undefined when there is none any more. */
  readonly balancer: () => Balancer | undefined;
  readonly path: string;
  /** For the backend, names and values in turn. */
  readonly headers: string[];
  readonly clock: Clock;
  /** After this long, a request that fails is not tried again. */
  readonly patienceMs: number;
}

type Controller = Dispatcher.DispatchController;

/** May be repeated without harm (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
/** Errors before anything of the request was sent. */
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
/** Answers that have no body, whatever length their head names: 304 may say that of what the client has. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 304]);
const MAX_TRIES = 3;
const SMALL_BYTES = 16 * 1024;
/** Of a request's body that its backend did not read, this much is dropped; a client that sends more, or longer, is cut off. */
const DROPPED_BYTES = 64 * 1024 * 1024;
/** As long as nginx by default (`lingering_time`). */
const DROPPED_MS = 30_000;

/** True when a request that failed in this way may go to another backend: nothing of it was sent, or it may be sent twice. */
export function mayRepeat(method: string, error: Error | undefined): boolean {
  return IDEMPOTENT.has(method) || NOT_CONNECTED.has(codeOf(error));
}

/** One request on its way to a backend, to another one where the first fails, and the answer on its way back. */
export class Exchange implements Dispatcher.DispatchHandler, PendingRequest {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: ExchangeOptions;
  readonly #hasBody: boolean;
  /** The client sends its body when it is told to. Node has refused all other expectations. */
  readonly #expects: boolean;
  readonly #startMs: number;
  readonly #tried: BackendState[] = [];
  #bodyTaken = false;
  #isDropping = false;
  #state: BackendState | undefined;
  #controller: Controller | undefined;
  #interim: InterimResponses | undefined;
  /** Bytes of the answer's body still to come; NaN when nobody knows. */
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

  /** Takes the request away from its backend if that has not begun to answer and another one may get it. */
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
      // undici takes any iterable; its types do not say so.
      const body = this.#hasBody ? (this.#body() as unknown as Readable) : null;
      state.pool.dispatch({ path, method, headers, body, idempotent: false }, this);
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  /** The body, read only once a connection takes it, so that it can still go to another backend until then. */
  async *#body(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of this.#request.iterator({ destroyOnReturn: false })) {
        this.#bodyTaken = true;
        yield chunk as Buffer;
      }
    } finally {
      // A stream does not flow while an iterator reads it: only now does the rest of the body go.
      if (this.#response.writableEnded) this.#dropBody();
    }
  }

  /**
   * Reads what is left of the request's body: a client that reads no response before it has sent everything would wait for
   * ever, and the next request on its connection with it.
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
    // Node ends the connection of a client that was not told to send its body. This one has not waited for that, and would lose
    // the response if its connection ended with bytes unread.
    if (this.#expects && !this.#bodyTaken && this.#request.readableLength > 0) this.#response.writeContinue();
    try {
      // undici reads the phrase as UTF-8; its bytes go on as they came.
      const phrase = message && Buffer.from(message).toString('latin1');
      this.#response.writeHead(status, reasonOf(status, phrase), headers);
    } catch (error) {
      // Node refuses headers that its own parser would refuse: that is no response.
      controller.abort(error as Error);
      return;
    }
    this.#state!.succeeded();
    // undici waits for as many bytes as the head names, and then takes the answer for broken.
    if (WITHOUT_BODY.has(status)) this.#response.end();
  }

  #inform(controller: Controller, status: number): void {
    this.#interim ??= new InterimResponses();
    try {
      const headers = this.#interim.next(controller.rawHeaders as Buffer[]);
      if (status === 100) this.#response.writeContinue();
      // HTTP/1.0 knows none.
      else if (this.#request.httpVersionMinor > 0) this.#response.writeInformation(status, headers);
    } catch (error) {
      controller.abort(error as Error);
    }
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#missing -= chunk.length;
    if (this.#missing === 0) {
      // Head and body in one packet: a string is what node puts together with the head.
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
      // Node refuses these trailers: the client must see that this is not the whole response.
      this.#response.destroy();
    }
  }

  onResponseError(_: unknown, error: Error): void {
    // What goes wrong behind the whole answer is no failure of the request.
    if (this.#response.writableEnded) this.onResponseEnd();
    else this.#failed(error);
  }

  #failed(error: Error): void {
    const state = this.#state;
    this.#over();
    if (this.#response.destroyed || this.#request.errored) return;
    state?.failed(messageOf(error));
    if (this.#response.headersSent) {
      // The client must see that this is not the whole answer.
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
