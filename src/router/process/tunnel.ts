import { request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, messageOf, refuseConnection } from '../../lib/index.ts';
import type { BackendState, PendingRequest } from './backend-state.ts';
import type { Balancer } from './balancer.ts';
import { mayRepeat } from './exchange.ts';
import { answerHeaders } from './headers.ts';
import { InterimResponses } from './interim-responses.ts';
import { type RouterPage, sentencePage, unavailablePage } from './pages.ts';
import { reasonOf } from './reason.ts';

export interface TunnelOptions {
  readonly service: string;
  /** Returns the balancer of the route as it is now; undefined when the route is gone. */
  readonly balancer: () => Balancer | undefined;
  readonly path: string;
  /** For the backend: names and values alternate. */
  readonly headers: readonly string[];
  readonly clock: Clock;
  readonly answerTimeoutMs: number;
  /** Called with the status of the response. */
  readonly onAnswer: (status: number, state: BackendState | undefined) => void;
}

const MAX_TRIES = 3;
const KEEP_ALIVE_MS = 60_000;

/**
 * Carries an upgrade request. When a backend agrees, bytes are forwarded both ways until one end closes. When it
 * responds in HTTP, the client gets that response and the connection is closed, since bytes behind it could be of
 * either protocol.
 */
export function tunnel(request: IncomingMessage, client: Duplex, head: Buffer, options: TunnelOptions): void {
  const { balancer, clock, answerTimeoutMs, service, onAnswer } = options;
  const tried: BackendState[] = [];
  client.on('error', () => client.destroy());

  const { accept } = request.headers;
  const refuse = (page: RouterPage) => {
    onAnswer(page.status, tried.at(-1));
    writePage(client, page);
  };
  const unreachable = () => refuse(sentencePage(502, `${service} could not be reached.`, accept));
  const attempt = (failure: boolean): void => {
    const state = tried.length < MAX_TRIES ? balancer()?.pick(tried) : undefined;
    if (state === undefined) {
      if (failure) unreachable();
      else refuse(unavailablePage(service, accept));
      return;
    }
    tried.push(state);
    ask(state);
  };
  const ask = (state: BackendState): void => {
    const outgoing = openRequest(request, state, options);
    const giveUp = clock.after(answerTimeoutMs, () => outgoing.destroy(new Error('no answer in time')));
    const clientGone = () => outgoing.destroy();
    client.once('close', clientGone);
    let answered = false;
    const lost = () => void outgoing.destroy(new Error('its machine is lost'));
    const waiting: PendingRequest = {
      leave: () => !answered && mayRepeat(request.method!, undefined) && lost(),
      abandon: () => (answered ? void client.destroy() : lost()),
    };
    state.began(waiting);
    const settle = (status: number) => {
      answered = true;
      giveUp();
      state.succeeded();
      onAnswer(status, state);
    };
    const interim = new InterimResponses();
    outgoing.on('information', (information) => {
      try {
        writeLines(client, information, interim.next(information.rawHeaders));
      } catch (error) {
        outgoing.destroy(error as Error);
      }
    });
    outgoing.on('upgrade', (answer, backend, rest) => {
      // Node has removed its own listeners from the socket, so that an error would have no handler.
      if (outgoing.destroyed) return void backend.on('error', (error) => outgoing.emit('error', error));
      settle(answer.statusCode!);
      client.off('close', clientGone);
      writeHead(client, answer, []);
      join(client, backend, { toBackend: head, toClient: rest }, () => state.ended(waiting));
    });
    outgoing.on('response', (answer) => {
      // Node goes on parsing bytes that came together with the informational response after which this request was
      // given up.
      if (outgoing.destroyed) return;
      settle(answer.statusCode!);
      writeHead(client, answer, ['connection', 'close']);
      answer.pipe(client);
      answer.on('close', () => {
        const isToldByLength = answer.headers['content-length'] !== undefined;
        if (answer.complete || isToldByLength) client.end();
        else breakOff(client);
        state.ended(waiting);
      });
    });
    outgoing.on('error', (error) => {
      giveUp();
      client.off('close', clientGone);
      if (answered) return void client.destroy();
      state.ended(waiting);
      if (client.destroyed) return;
      state.failed(messageOf(error));
      if (mayRepeat(request.method!, error)) attempt(true);
      else unreachable();
    });
    outgoing.end();
  };
  attempt(false);
}

function openRequest(request: IncomingMessage, { backend }: BackendState, { path, headers }: TunnelOptions) {
  const upgrade = ['connection', 'upgrade', 'upgrade', request.headers.upgrade!];
  // Otherwise Node would send an empty chunked body, which the backend could take for bytes of the other protocol.
  if (request.method !== 'GET' && request.headers['content-length'] === undefined) upgrade.push('content-length', '0');
  const { address: host, port } = backend;
  return httpRequest({
    host,
    port,
    path,
    method: request.method!,
    headers: [...headers, ...upgrade],
    setHost: false,
    agent: false,
  });
}

function writeHead(client: Duplex, answer: IncomingMessage, more: readonly string[]): void {
  const status = answer.statusCode!;
  const own = status === 101 ? answer.rawHeaders : answerHeaders(answer.rawHeaders);
  writeLines(client, answer, [...own, ...more]);
}

type StatusLine = Pick<IncomingMessage, 'statusCode' | 'statusMessage'>;

function writeLines(client: Duplex, { statusCode, statusMessage }: StatusLine, headers: readonly string[]): void {
  const lines = [`HTTP/1.1 ${statusCode} ${reasonOf(statusCode!, statusMessage)}`];
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  client.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** Breaks the connection with a reset: a body without a length is complete when its connection closes normally. */
function breakOff(client: Duplex): void {
  if (client instanceof Socket && !('encrypted' in client)) client.resetAndDestroy();
  // With TLS, closing without close_notify says the same.
  else client.destroy();
}

function join(
  client: Duplex,
  backend: Duplex,
  first: { readonly toBackend: Buffer; readonly toClient: Buffer },
  onEnd: () => void,
): void {
  for (const socket of [client, backend]) {
    if ('setTimeout' in socket) {
      const connection = socket as Socket;
      connection.setTimeout(0).setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    }
  }
  if (first.toBackend.length > 0) backend.write(first.toBackend);
  if (first.toClient.length > 0) client.write(first.toClient);
  backend.on('error', () => backend.destroy());
  client.on('close', () => backend.destroy());
  backend.on('close', () => {
    client.destroy();
    onEnd();
  });
  client.pipe(backend);
  backend.pipe(client);
}

/** Sends a page on a raw connection and closes it. */
export function writePage(client: Duplex, { status, type, body, headers = {} }: RouterPage): boolean {
  const lines = Object.entries({ 'content-type': type, ...headers }).map(([name, value]) => `${name}: ${value}`);
  return refuseConnection(client, { status, reason: STATUS_CODES[status]!, headers: lines, body });
}
