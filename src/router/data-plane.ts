import type { RouteTable } from './route-table.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Load balancers probe this path, with any Host, to learn whether the router takes requests. */
export const HEALTH_PATH = '/.well-known/flotilla/health';
/** Seconds in `Retry-After` for a service without a healthy instance: about as long as a restart or failover takes. */
export const RETRY_AFTER_S = 5;

/** The router's listeners and its promises to clients, the same for every data plane. */
export interface RouterSettings {
  readonly plane: 'process' | 'haproxy';
  readonly listen: readonly ListenAddress[];
  /** Listeners with TLS; they need `certificates`. */
  readonly listenTls: readonly ListenAddress[];
  /** A directory of PEM files, each with a certificate, its chain and its key; empty: none. */
  readonly certificates: string;
  /** Redirects plain HTTP to the same address under https. */
  readonly redirectToTls: boolean;
  /** Responds with 200 instead of 404 to `/` of a host without a route. */
  readonly index: boolean;
  /** Every connection must begin with a PROXY protocol header, version 1 or 2. */
  readonly proxyProtocol: boolean;
  /** The file that gets one line per request; empty: none. */
  readonly accessLog: string;
  /** Limit for a backend to send the head of its response. */
  readonly answerTimeoutMs: number;
  /** Limit for a backend to accept a connection. */
  readonly connectTimeoutMs: number;
  /** Consecutive failures after which a backend rests. */
  readonly maxFailures: number;
  /** The time for which a resting backend gets no requests, unless it is the only one. */
  readonly restMs: number;
  /** Limit for a client to send the head of its request, and for a pause within a body. */
  readonly clientTimeoutMs: number;
}

/** The state of one backend in a data plane. */
export interface BackendReport {
  /** The id in the route table. */
  readonly id: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** `resting`: too many consecutive failures; `draining`: gets no new requests. */
  readonly state: 'up' | 'resting' | 'draining';
  /** Requests in flight. */
  readonly active: number;
  /** Requests since it was added. */
  readonly requests: number;
  /** Failed requests since it was added. */
  readonly failures: number;
}

/** Carries requests to backends. One shared contract suite runs on all implementations. */
export interface DataPlane {
  /** One URL for each listener, `http://127.0.0.1:80`. */
  readonly listening: readonly string[];
  /** Routes new requests by the table; requests in flight end where they are. */
  use(table: RouteTable): Promise<void>;
  /** Sends no new requests to that backend; resolves when those in flight have ended. */
  drain(backendId: string): Promise<void>;
  backends(): Promise<readonly BackendReport[]>;
  /** Accepts no more connections, gives requests in flight `graceMs`, then closes everything. */
  close(graceMs: number): Promise<void>;
}
