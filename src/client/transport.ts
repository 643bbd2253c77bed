import { readFileSync } from 'node:fs';
import { Agent, type AgentOptions, type IncomingMessage, request } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, ERRORS, type ErrorCode, FlotillaError, messageOf, systemReason } from '../lib/index.ts';
import { type Endpoint, endpointText } from './endpoint.ts';

/** PEM files for https endpoints. */
interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface TransportOptions {
  /** Tried in order: when one cannot be connected to, the next is taken, and kept. */
  readonly endpoints: readonly Endpoint[];
  /** A request fails when for so long neither it nor any other was answered: a server with much to do is not gone. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly tls?: TlsFiles;
  /** Makes the connections, where the network of this computer is not what leads to the endpoints. */
  readonly dial?: (endpoint: Endpoint) => Duplex;
  /** Told of each request once it is answered, for --debug. */
  readonly trace?: (line: string) => void;
}

export interface RequestOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Holds its connection for long, so that others are not to wait for it. */
  readonly lasting?: boolean;
}

export interface ApiResponse {
  readonly status: number;
  readonly text: string;
}

interface Connections {
  readonly agent: Agent;
  /** Makes one that the agent does not know of; only where we make them. */
  readonly connect?: () => Duplex;
  readonly request: typeof request;
}

const PREFIX = '/fleet/v1';
/** Each connection through a dialer costs processes at both ends, and sshd allows ten at a time by default. */
const MOST_DIALED = 4;
const CONNECT_FAILURES = new Set(['ECONNREFUSED', 'ENOENT', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ENOTSOCK']);

/** HTTP to one of several API servers over kept connections. Errors are FlotillaErrors which name the endpoint. */
export class Transport {
  readonly #options: TransportOptions;
  #current = 0;
  #kept: Connections | undefined;
  #answeredAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** The endpoint in use. */
  get endpoint(): Endpoint {
    return this.#options.endpoints[this.#current]!;
  }

  /** Sends a request and reads the whole answer, whatever its status. */
  async request(path: string, options: RequestOptions = {}): Promise<ApiResponse> {
    const response = await this.open(path, options);
    response.setEncoding('utf8');
    let text = '';
    try {
      for await (const chunk of response) text += chunk;
    } catch (error) {
      throw this.#unreachable(error);
    }
    return { status: response.statusCode ?? 0, text };
  }

  /** Sends a request and answers with the response's stream; another status than 200 is thrown. */
  async stream(path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    const response = await this.open(path, { ...options, lasting: true });
    response.setEncoding('utf8');
    if (response.statusCode === 200) return response;
    let text = '';
    for await (const chunk of response) text += chunk;
    throw this.failure({ status: response.statusCode ?? 0, text });
  }

  /** The server's own message as a FlotillaError. */
  failure(answer: ApiResponse): FlotillaError {
    let message = '';
    try {
      message = String(JSON.parse(answer.text).error.message);
    } catch {
      message = `${endpointText(this.endpoint)} answered HTTP ${answer.status}: it does not look like a fleet API`;
    }
    return new FlotillaError(codeOf(answer.status), message, { status: answer.status });
  }

  /** Drops kept connections. */
  close(): void {
    this.#kept?.agent.destroy();
  }

  async open(path: string, options: RequestOptions): Promise<IncomingMessage> {
    const { endpoints } = this.#options;
    for (let tried = 1; ; tried++) {
      const at = this.#current;
      try {
        return await this.#send(path, options);
      } catch (error) {
        if (options.signal?.aborted) throw options.signal.reason;
        const code = (error as NodeJS.ErrnoException).code ?? '';
        const stale = (error as { reused?: boolean }).reused === true && tried <= endpoints.length + 1;
        if (stale) continue;
        if (!CONNECT_FAILURES.has(code) || tried >= endpoints.length) throw this.#unreachable(error);
        // Somebody else's request may have moved on already.
        if (at === this.#current) this.#current = (at + 1) % endpoints.length;
      }
    }
  }

  async #send(path: string, options: RequestOptions): Promise<IncomingMessage> {
    this.#kept ??= this.#connections();
    const { agent, connect, request } = this.#kept;
    const endpoint = this.endpoint;
    const body = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    const method = options.method ?? 'GET';
    const req = request({
      ...(endpoint.kind === 'unix'
        ? { socketPath: endpoint.path, host: 'fleet', path: PREFIX + path }
        : { host: endpoint.host, port: endpoint.port, path: endpoint.prefix + PREFIX + path }),
      // Spares Node the question whether the host is an IPv6 address, a regular expression that takes 5 ms to compile.
      ...(endpoint.kind === 'tcp' && endpoint.tls ? {} : { servername: '' }),
      method,
      ...(connect && options.lasting ? { createConnection: connect } : { agent }),
      ...(options.signal ? { signal: options.signal } : {}),
      headers: body ? { 'content-type': 'application/json', 'content-length': body.length } : {},
    });
    return new Promise((resolve, reject) => {
      const { clock, requestTimeoutMs, trace } = this.#options;
      const onSilence = () => {
        const leftMs = this.#answeredAtMs + requestTimeoutMs - clock.monotonic();
        if (leftMs > 0) return void req.setTimeout(leftMs, onSilence);
        const seconds = requestTimeoutMs / 1000;
        req.destroy(Object.assign(new Error(`no answer within ${seconds} s`), { code: 'TIMEOUT' }));
      };
      req.setTimeout(requestTimeoutMs, onSilence);
      req.once('response', (response) => {
        this.#answeredAtMs = clock.monotonic();
        trace?.(`${method} ${endpointText(endpoint)}${PREFIX}${path} ${response.statusCode}`);
        resolve(response);
      });
      req.on('error', (error) => reject(Object.assign(error, { reused: req.reusedSocket && isReset(error) })));
      req.end(body);
    });
  }

  #connections(): Connections {
    const { dial } = this.#options;
    const options = { keepAlive: true, maxSockets: dial ? MOST_DIALED : 64, scheduling: 'fifo' as const };
    if (dial) return dialed(this.endpoint, { options, dial, tls: this.#options.tls });
    if (this.endpoint.kind === 'unix' || !this.endpoint.tls) return { agent: new Agent(options), request };
    // Asked for here, so that whoever needs no TLS does not load it. An import() would load all of undici on the way.
    const https = process.getBuiltinModule('node:https');
    return { agent: new https.Agent({ ...options, ...readTls(this.#options.tls) }), request: https.request };
  }

  #unreachable(error: unknown): FlotillaError {
    if (error instanceof FlotillaError) return error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const facts = { endpoint: endpointText(this.endpoint), cause: code };
    const closed = code === 'EACCES' && isFleetSocket(this.endpoint) && this.#options.dial === undefined;
    const reason = closed ? NOT_IN_GROUP : (REASONS[code] ?? messageOf(error).split('\n')[0]);
    return new FlotillaError(
      code === 'TIMEOUT' ? 'timeout' : 'unavailable',
      `cannot reach the fleet API at ${facts.endpoint} (${reason})`,
      facts,
      error,
    );
  }
}

/** Connections by way of a dialer, with TLS inside them for an https endpoint. */
function dialed(
  endpoint: Endpoint,
  { options, dial, tls }: { options: AgentOptions; dial: (endpoint: Endpoint) => Duplex; tls: TlsFiles | undefined },
): Connections {
  const secure = endpoint.kind === 'tcp' && endpoint.tls;
  const files = secure ? readTls(tls) : {};
  const connect = () => {
    const socket = dial(endpoint);
    if (!secure) return socket;
    const servername = isIP(endpoint.host) ? '' : endpoint.host;
    return process.getBuiltinModule('node:tls').connect({ socket, host: endpoint.host, servername, ...files });
  };
  const agent = Object.assign(new Agent(options), { createConnection: connect });
  return { agent, connect, request };
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOENT: 'there is no such socket',
  ENOTSOCK: 'that file is not a socket',
  EACCES: 'permission denied',
  ENOTFOUND: 'no such host',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
  ETIMEDOUT: 'the connection timed out',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  EPROTO: 'it does not speak TLS; is it http:// instead of https://?',
  HPE_INVALID_CONSTANT: 'it does not speak HTTP; is it https:// instead of http://?',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; name it with --ca-file',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an unknown authority; name that with --ca-file',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an unknown authority; name that with --ca-file',
};

/** What EACCES at the socket of fleet.socket means: it is 0660 and of the group fleet. */
const NOT_IN_GROUP =
  'you are not in the group fleet: use sudo fleetctl, or run sudo usermod -aG fleet $USER and log in again';

function isFleetSocket(endpoint: Endpoint): boolean {
  return endpoint.kind === 'unix' && /^(\/var)?\/run\/fleet\.sock$/.test(endpoint.path);
}

function isReset(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function readTls(files: TlsFiles = {}): Record<string, Buffer> {
  const read = (name: string, path: string | undefined) => {
    if (!path) return {};
    try {
      return { [name]: readFileSync(path) };
    } catch (error) {
      throw new FlotillaError('invalid', `cannot read the TLS file ${path}: ${systemReason(error)}`);
    }
  };
  return { ...read('ca', files.ca), ...read('cert', files.cert), ...read('key', files.key) };
}

function codeOf(status: number): ErrorCode {
  for (const [code, meaning] of Object.entries(ERRORS)) {
    if (meaning.http === status && code !== 'usage') return code as ErrorCode;
  }
  return status >= 500 ? 'internal' : 'invalid';
}
