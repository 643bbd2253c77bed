import { type Context, Hono } from 'hono';
import {
  type AdmitPeer,
  type Clock,
  type ErrorCode,
  FlotillaError,
  isFlotillaError,
  type Log,
  refuseForeignPages,
  UnreadResponses,
} from '../lib/index.ts';
import { accessOf, admit } from './access.ts';
import { allHandlers } from './all-handlers.ts';
import { answerError } from './answers.ts';
import { type ApiOptions, type ApiParts, DEFAULT_PEER_TIMEOUT_MS } from './api-parts.ts';
import { serveCalls } from './call-handlers.ts';
import { observeCluster } from './cluster-metrics.ts';
import { ClusterReader } from './cluster-reader.ts';
import { EventHub } from './event-hub.ts';
import { fleetMetrics } from './fleet-metrics.ts';
import { MAX_TOKEN_NUMBER } from './page-token.ts';
import { PeerAccess } from './peer-access.ts';
import { observeProcess } from './process-metrics.ts';
import { CALLS, type Method, PREFIXES, type Prefix } from './shapes/index.ts';
import { UnitHealth } from './unit-health.ts';
import { ViewOnDemand } from './view-on-demand.ts';

/** The API as a function from requests to answers; `serveApi` puts it on sockets. */
export interface Api {
  fetch(request: Request, env?: object): Response | Promise<Response>;
  /** Value of the Server header. */
  readonly server: string;
  /** Asked once per connection. */
  readonly admitPeer: AdmitPeer | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** What clients have not read of their responses. */
  readonly unread: UnreadResponses;
  /** Ends event streams and journals at once and answers 503 from now on. */
  close(): void;
}

/** Builds the API of one fleetd. It reads nothing from the store until it is asked. */
export function createApi(options: ApiOptions): Api {
  if (!(options.tokenLimit >= 1 && options.tokenLimit <= MAX_TOKEN_NUMBER)) {
    throw new FlotillaError(
      'usage',
      `token_limit must be between 1 and ${MAX_TOKEN_NUMBER}: it is ${options.tokenLimit}`,
    );
  }
  const closing = new AbortController();
  const parts = createParts(options, closing.signal);
  observe(options, parts);
  const unread = new UnreadResponses({ what: "fleet's API", log: options.log, ...options.unread });
  options.metrics.observed('fleet_api_unread_bytes', () => unread.bytes);
  const app = createApp(parts);
  return {
    fetch: (request, env) => app.fetch(request, env),
    server: `fleetd/${options.version}`,
    admitPeer: options.admitPeer,
    clock: options.clock,
    log: options.log,
    unread,
    close: () => {
      closing.abort(new FlotillaError('unavailable', 'fleetd is stopping'));
      parts.reader.view.close();
    },
  };
}

function createParts(options: ApiOptions, closing: AbortSignal): ApiParts {
  const { cluster, clock, log } = options;
  const view = new ViewOnDemand({
    cluster,
    clock,
    store: (options.storeEndpoints ?? []).join(', ') || 'its endpoints',
    available: options.available ?? (() => true),
    timeoutMs: options.storeTimeoutMs ?? 2000,
    idleMs: options.viewIdleMs ?? 60_000,
  });
  const reader = new ClusterReader({ view, cluster, log });
  const { catalog, router } = options;
  const health = catalog && new UnitHealth({ catalog, router });
  const hub = new EventHub({ reader, cluster, health, clock, log, closing, maxPastEvents: options.maxPastEvents });
  const peers = new PeerAccess({ cluster, view, clock, timeoutMs: options.peerTimeoutMs ?? DEFAULT_PEER_TIMEOUT_MS });
  return { options, reader, hub, peers, journals: new Set(), closing };
}

function observe({ metrics, clock }: ApiOptions, { hub, journals }: ApiParts): void {
  fleetMetrics(metrics);
  observeProcess(metrics, clock);
  metrics.observed('fleet_api_event_streams', () => hub.size);
  metrics.observed('fleet_api_journal_streams', () => journals.size);
}

function createApp(parts: ApiParts): Hono {
  const app = new Hono();
  const { options } = parts;
  const requests = options.metrics.counter('fleet_api_request_count_total');
  const durations = options.metrics.histogram('fleet_api_request_duration_second');
  app.use(async (c, next) => {
    const startMs = options.clock.monotonic();
    await next();
    requests.inc({ method: c.req.method, code: String(c.res.status) });
    durations.observe((options.clock.monotonic() - startMs) / 1000);
  });
  const { authorize, pages = refuseForeignPages() } = options;
  const gates = { peers: parts.peers, pages, authorize };
  app.use(async (c, next) => {
    await admit(visitOf(c), gates);
    await next();
  });
  app.onError((error) => answerFailure(error, options.log));
  app.notFound(() => answerError(new FlotillaError('not-found', 'no such resource: the API is at /fleet/v1')));
  const countCluster = observeCluster({ ...options, runtime: options.runtime, catalog: options.catalog });
  app.get('/metrics', () => answerMetrics(options, countCluster));
  app.all('/metrics', () => refuseMethod('only GET', ['GET']));
  app.all('/', () => refuseMethod('no method is', []));
  for (const prefix of PREFIXES) app.route(prefix, createVersion(prefix, parts));
  return app;
}

function createVersion(prefix: Prefix, parts: ApiParts): Hono {
  const app = new Hono();
  serveCalls(app, CALLS, allHandlers(prefix, parts));
  refuseOtherMethods(app);
  return app;
}

const METHODS: readonly string[] = ['GET', 'PUT', 'PATCH', 'DELETE'] satisfies Method[];

/** What is left of a path's methods after all its routes: 405, naming those there are. */
function refuseOtherMethods(app: Hono): void {
  const methods = new Map<string, string[]>();
  for (const { path, method } of app.routes) methods.set(path, [...(methods.get(path) ?? []), method]);
  for (const [path, served] of methods) {
    const allowed = METHODS.filter((method) => served.includes(method));
    const names =
      allowed.length === 1 ? `only ${allowed[0]}` : `only ${allowed.slice(0, -1).join(', ')} and ${allowed.at(-1)}`;
    app.all(path, () => refuseMethod(names, allowed));
  }
}

function refuseMethod(names: string, allowed: readonly string[]): Response {
  const error = new FlotillaError('method-not-allowed', `${names} supported against this resource`);
  return answerError(error, { Allow: [...allowed, ...(allowed.includes('GET') ? ['HEAD'] : [])].join(', ') });
}

function answerFailure(error: Error, log: Log): Response {
  if (!(error instanceof FlotillaError)) log.error('Request failed', { error: error.stack ?? error.message });
  return answerError(error, isFlotillaError(error) ? (ERROR_HEADERS[error.code] ?? {}) : {});
}

const ERROR_HEADERS: Readonly<Partial<Record<ErrorCode, Readonly<Record<string, string>>>>> = {
  // The rest of the body is not read, so the connection cannot be used again.
  'too-large': { Connection: 'close' },
  unauthorized: { 'WWW-Authenticate': 'Bearer' },
};

function visitOf(c: Context) {
  const { method, path } = c.req;
  return { access: accessOf(method, path), method, path, header: (name: string) => c.req.header(name) };
}

async function answerMetrics({ metrics }: ApiOptions, countCluster: () => Promise<void>): Promise<Response> {
  await countCluster();
  return new Response(metrics.text(), { headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' } });
}
