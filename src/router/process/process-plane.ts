import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock, Log } from '../../lib/index.ts';
import { watchCertificates } from '../certificate-files.ts';
import { type BackendReport, type DataPlane, HEALTH_PATH, type RouterSettings } from '../data-plane.ts';
import { RouteIndex } from '../route-index.ts';
import { type Backend, NO_ROUTES, type Route, type RouteTable, routeKey } from '../route-table.ts';
import { AccessLog } from './access-log.ts';
import { answerPage } from './answer-page.ts';
import { BackendState } from './backend-state.ts';
import { Balancer } from './balancer.ts';
import { Certificates } from './certificates.ts';
import { Exchange } from './exchange.ts';
import { clientAddressOf, FrontServer } from './front-server.ts';
import { requestHeaders } from './headers.ts';
import { HEALTH_PAGE, indexPage, type RouterPage, sentencePage } from './pages.ts';
import { type RequestTarget, targetOf } from './request-target.ts';
import { tunnel, writePage } from './tunnel.ts';

export interface ProcessPlaneOptions {
  readonly settings: RouterSettings;
  /** The routes for the first request. */
  readonly table: RouteTable;
  readonly clock: Clock;
  readonly log: Log;
}

/** Carries requests in this process. Rejects, with no listener left, when an address is taken. */
export async function openProcessPlane(options: ProcessPlaneOptions): Promise<DataPlane> {
  const plane = new ProcessPlane(options);
  await plane.use(options.table);
  await plane.listen();
  return plane;
}

class ProcessPlane implements DataPlane {
  readonly #settings: RouterSettings;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #fronts: readonly FrontServer[];
  readonly #accessLog: AccessLog | undefined;
  #certificates: Certificates | undefined;
  #unwatch: () => void = () => {};
  #table: RouteTable = NO_ROUTES;
  #index = new RouteIndex([]);
  /** Keyed by id and address: an instance with a new address is another backend. */
  #states = new Map<string, BackendState>();
  /** Backends that have left the table and still have requests in flight. */
  readonly #leaving = new Set<BackendState>();
  /** Balancers by the key of their route. */
  #balancers = new Map<string, Balanced>();
  listening: readonly string[] = [];

  constructor({ settings, clock, log }: ProcessPlaneOptions) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
    if (settings.listenTls.length > 0) this.#readCertificates();
    this.#accessLog = settings.accessLog === '' ? undefined : new AccessLog(settings.accessLog, clock, log);
    const { proxyProtocol, clientTimeoutMs } = settings;
    const common = {
      proxyProtocol,
      clientTimeoutMs,
      clock,
    };
    const onUpgrade = (request: IncomingMessage, client: Duplex, head: Buffer) => this.#upgrade(request, client, head);
    const redirects = settings.redirectToTls && settings.listenTls.length > 0;
    const plain = redirects
      ? { onRequest: redirectToTls, onUpgrade: undefined }
      : { onRequest: (...pair: Pair) => this.#answer(...pair, 'http'), onUpgrade };
    const secure = { onRequest: (...pair: Pair) => this.#answer(...pair, 'https'), onUpgrade };
    this.#fronts = [
      ...settings.listen.map((address) => new FrontServer({ ...common, ...plain, address, certificates: undefined })),
      ...settings.listenTls.map(
        (address) => new FrontServer({ ...common, ...secure, address, certificates: () => this.#certificates! }),
      ),
    ];
  }

  #readCertificates(): void {
    const watched = watchCertificates({
      directory: this.#settings.certificates,
      clock: this.#clock,
      log: this.#log,
      onChange: (files) => {
        this.#certificates = new Certificates(files);
        for (const front of this.#fronts) front.renewCertificates();
      },
    });
    this.#unwatch = watched.close;
    this.#certificates = new Certificates(watched.files);
  }

  async listen(): Promise<void> {
    try {
      const listening: string[] = [];
      for (const front of this.#fronts) listening.push(await front.listen());
      this.listening = listening;
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  async use(table: RouteTable): Promise<void> {
    const before = this.#states;
    const states = new Map<string, BackendState>();
    const balancers = new Map<string, Balanced>();
    for (const route of table.routes) {
      const ofRoute = route.backends.map((backend) => this.#stateOf(backend, route.service, states));
      // The same route object has the same backends.
      const known = this.#balancers.get(routeKey(route));
      balancers.set(routeKey(route), known?.route === route ? known : { route, balancer: new Balancer(ofRoute) });
    }
    this.#table = table;
    this.#states = states;
    this.#balancers = balancers;
    this.#index = new RouteIndex(table.routes);
    for (const [key, state] of before) if (!states.has(key)) this.#retire(state);
    const machines = new Set(table.machines);
    for (const state of this.#leaving) {
      if (machines.has(state.backend.machine)) state.stay();
      else void state.leave();
    }
  }

  #stateOf(backend: Backend, service: string, states: Map<string, BackendState>): BackendState {
    const key = `${backend.id} ${backend.address}:${backend.port} ${backend.weight}`;
    const state =
      states.get(key) ??
      this.#states.get(key) ??
      new BackendState(backend, service, this.#settings, this.#clock, this.#log);
    states.set(key, state);
    return state;
  }

  #retire(state: BackendState): void {
    this.#leaving.add(state);
    void state.retire().then(() => this.#leaving.delete(state));
  }

  async drain(backendId: string): Promise<void> {
    const states = [...this.#states.values()].filter(({ backend }) => backend.id === backendId);
    await Promise.all(states.map((state) => state.drain()));
  }

  async backends(): Promise<readonly BackendReport[]> {
    return [...this.#states.values()].map((state) => state.report());
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all(this.#fronts.map((front) => front.close(graceMs)));
    await Promise.all([...this.#states.values()].map(({ pool }) => pool.destroy()));
    this.#accessLog?.close();
    this.#unwatch();
  }

  #answer(request: IncomingMessage, response: ServerResponse, protocol: 'http' | 'https'): void {
    const found = this.#find(request);
    const startMs = this.#accessLog === undefined ? 0 : this.#clock.monotonic();
    const exchange = 'page' in found ? undefined : this.#exchange(request, response, found, protocol);
    response.on('close', () => {
      this.#record(request, response.statusCode, startMs, response.socket?.bytesWritten ?? 0, exchange?.backend);
    });
    if ('page' in found) answerPage(request, response, found.page);
    else exchange!.start();
  }

  #exchange(request: IncomingMessage, response: ServerResponse, { target, route }: Hit, protocol: 'http' | 'https') {
    return new Exchange(request, response, {
      service: route.service,
      balancer: () => this.#balancers.get(routeKey(route))?.balancer,
      path: target.path,
      headers: requestHeaders(request, { host: target.host, clientAddress: clientAddressOf(request), protocol }),
      clock: this.#clock,
      patienceMs: this.#settings.answerTimeoutMs,
    });
  }

  #upgrade(request: IncomingMessage, client: Duplex, head: Buffer): void {
    const found = this.#find(request);
    if ('page' in found) {
      writePage(client, found.page);
      return;
    }
    const { target, route } = found;
    const protocol = 'encrypted' in request.socket ? 'https' : 'http';
    const startMs = this.#clock.monotonic();
    tunnel(request, client, head, {
      service: route.service,
      balancer: () => this.#balancers.get(routeKey(route))?.balancer,
      path: target.path,
      headers: requestHeaders(request, { host: target.host, clientAddress: clientAddressOf(request), protocol }),
      clock: this.#clock,
      answerTimeoutMs: this.#settings.answerTimeoutMs,
      onAnswer: (status, state) => this.#record(request, status, startMs, 0, state),
    });
  }

  #find(request: IncomingMessage): Hit | { readonly page: RouterPage } {
    if (isHealthCheck(request)) return { page: HEALTH_PAGE };
    const target = targetOf(request);
    const { accept } = request.headers;
    if (target === undefined)
      return { page: sentencePage(400, 'The request names no host, or not a single valid one.', accept) };
    const { hostKnown, route } = this.#index.find(target.name, target.path);
    if (route !== undefined) return { target, route };
    if (!hostKnown) {
      const status = this.#settings.index && target.path === '/' ? 200 : 404;
      return { page: indexPage(target, request, { routes: this.#table.routes, status }) };
    }
    return { page: sentencePage(404, `Nothing of ${target.name} is routed below that path.`, accept) };
  }

  #record(request: IncomingMessage, status: number, startMs: number, bytes: number, state?: BackendState): void {
    if (this.#accessLog === undefined) return;
    const backend = state && `${state.backend.address}:${state.backend.port}`;
    this.#accessLog.write({ request, clientAddress: clientAddressOf(request), status, bytes, startMs, backend });
  }
}

interface Balanced {
  readonly route: Route;
  readonly balancer: Balancer;
}

type Pair = [IncomingMessage, ServerResponse];

interface Hit {
  readonly target: RequestTarget;
  readonly route: Route;
}

function isHealthCheck({ url }: IncomingMessage): boolean {
  return url!.startsWith(HEALTH_PATH) && (url!.length === HEALTH_PATH.length || url![HEALTH_PATH.length] === '?');
}

function redirectToTls(request: IncomingMessage, response: ServerResponse): void {
  answerPage(request, response, isHealthCheck(request) ? HEALTH_PAGE : redirectPage(request));
}

function redirectPage(request: IncomingMessage): RouterPage {
  const target = targetOf(request);
  const { accept } = request.headers;
  if (target === undefined) return sentencePage(400, 'The request names no host.', accept);
  const location = `https://${target.host.replace(/:\d*$/, '')}${target.path}`;
  return { ...sentencePage(308, 'This site is served under https.', accept), headers: { location } };
}
