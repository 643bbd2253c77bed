import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type Dispatcher, errors } from 'undici';
import type { Clock } from '../../lib/index.ts';
import type { Backend } from '../route-table.ts';

export interface ExpectingRequest {
  readonly backend: Backend;
  readonly method: string;
  readonly path: string;
  /** Names and values alternate. */
  readonly headers: readonly string[];
  /** Read once the backend asks for it. */
  readonly body: AsyncIterable<Buffer>;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
}

/** Milliseconds after which a silent backend gets the body all the same (RFC 9110 §10.1.1); curl waits as long. */
const PATIENCE_MS = 1000;

type Controller = Dispatcher.DispatchController;
type Handler = Required<
  Pick<
    Dispatcher.DispatchHandler,
    'onRequestStart' | 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'
  >
>;

/**
 * Sends a request with `Expect: 100-continue` by node:http, and its body after a 100 or PATIENCE_MS. Calls the handler
 * as undici would, also for each 100. undici itself refuses the header (NotSupportedError "expect header not
 * supported").
 */
export function expectContinue(request: ExpectingRequest, handler: Handler): void {
  new Expectation(request, handler).start();
}

class Expectation {
  readonly #request: ExpectingRequest;
  readonly #handler: Handler;
  readonly #outgoing: ClientRequest;
  readonly #controller: Controller;
  #answer: IncomingMessage | undefined;
  #cancelTimer: () => void = () => {};
  #isSending = false;
  #isOver = false;

  constructor(request: ExpectingRequest, handler: Handler) {
    this.#request = request;
    this.#handler = handler;
    this.#outgoing = open(request);
    this.#controller = this.#createController();
  }

  start(): void {
    const { connectTimeoutMs } = this.#request;
    const outgoing = this.#outgoing;
    outgoing.on('error', (error) => this.#fail(error));
    // Node closes the connection after an unexpected 101 without emitting an error.
    outgoing.on('close', () => this.#answer === undefined && this.#fail(new Error('the connection ended')));
    outgoing.on('information', (one) => this.#inform(one.statusCode, one.rawHeaders));
    outgoing.on('response', (answer) => this.#respond(answer));
    outgoing.on('finish', () => this.#awaitAnswer());
    this.#giveUpAfter(connectTimeoutMs, new errors.ConnectTimeoutError());
    outgoing.on('socket', (socket) =>
      socket.once('connect', () => this.#after(PATIENCE_MS, () => this.#inform(100, []))),
    );
    this.#handler.onRequestStart(this.#controller, {});
  }

  #createController(): Controller {
    const pausing = { paused: false, reason: null as Error | null };
    return {
      get aborted() {
        return pausing.reason !== null;
      },
      get paused() {
        return pausing.paused;
      },
      get reason() {
        return pausing.reason;
      },
      abort: (reason) => {
        pausing.reason ??= reason;
        this.#outgoing.destroy(reason);
        this.#fail(reason);
      },
      pause: () => {
        pausing.paused = true;
        this.#answer?.pause();
      },
      resume: () => {
        pausing.paused = false;
        this.#answer?.resume();
      },
    };
  }

  #inform(status: number, rawHeaders: string[]): void {
    if (this.#isOver) return;
    this.#controller.rawHeaders = rawHeaders;
    this.#handler.onResponseStart(this.#controller, status, {});
    if (status === 100 && !this.#isOver) this.#send();
    if (this.#outgoing.writableFinished) this.#awaitAnswer();
  }

  #send(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#cancelTimer();
    // A failure is also emitted as an error of the outgoing request, which is handled there.
    void pipeline(this.#request.body, this.#outgoing).catch(() => {});
  }

  #respond(answer: IncomingMessage): void {
    this.#cancelTimer();
    if (this.#isOver) return;
    const { statusCode, statusMessage, headers, rawHeaders } = answer;
    this.#answer = answer;
    this.#controller.rawHeaders = rawHeaders;
    const phrase = Buffer.from(statusMessage ?? '', 'latin1').toString();
    this.#handler.onResponseStart(this.#controller, statusCode!, headers, phrase);
    answer.on('data', (chunk: Buffer) => {
      if (!this.#isOver) this.#handler.onResponseData(this.#controller, chunk);
    });
    answer.on('error', (error) => this.#fail(error));
    answer.on('end', () => this.#end(answer));
  }

  #end(answer: IncomingMessage): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller.rawTrailers = answer.rawTrailers;
    this.#handler.onResponseEnd(this.#controller, answer.trailers);
    // The backend has responded without asking for the body: send no more of it.
    this.#outgoing.destroy();
  }

  #fail(error: Error): void {
    this.#cancelTimer();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handler.onResponseError(this.#controller, error);
  }

  #awaitAnswer(): void {
    this.#giveUpAfter(this.#request.answerTimeoutMs, new errors.HeadersTimeoutError());
  }

  #giveUpAfter(ms: number, error: Error): void {
    this.#after(ms, () => this.#outgoing.destroy(error));
  }

  /** Starts the one timer anew: each step of the request replaces the time limit of the step before. */
  #after(ms: number, fn: () => void): void {
    this.#cancelTimer();
    if (!this.#isOver && this.#answer === undefined) this.#cancelTimer = this.#request.clock.after(ms, fn);
  }
}

function open({ backend, method, path, headers }: ExpectingRequest): ClientRequest {
  const hasLength = headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'content-length');
  // For methods that usually have no body, Node would send one of unknown length without any framing.
  const framing = hasLength ? [] : ['transfer-encoding', 'chunked'];
  const { address: host, port } = backend;
  const all = [...headers, ...framing, 'expect', '100-continue'];
  return httpRequest({ host, port, path, method, headers: all, setHost: false, agent: false });
}
