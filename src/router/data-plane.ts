import type { RouteTable } from './route-table.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Load balancers ask for this path, at any host, whether the router takes requests. */
export const HEALTH_PATH = '/.well-known/flotilla/health';
/** Seconds in `Retry-After` where a service has no healthy instance: about what a restart or a failover takes. */
export const RETRY_AFTER_S = 5;

/** How the router listens and what it promises its clients; the same for every data plane. */
export interface RouterSettings {
  readonly plane: 'process' | 'haproxy';
  readonly listen: readonly ListenAddress[];
  /** With TLS; needs `certificates`. */
  readonly listenTls: readonly ListenAddress[];
  /** A directory of PEM files, each a certificate with its chain and its key; empty: none. */
  readonly certificates: string;
  /** Answers plain HTTP with the same address under https. */
  readonly redirectToTls: boolean;
  /** Responds with 200, not 404, to `/` of a host that no route takes. */
  readonly index: boolean;
  /** Every connection begins with the PROXY protocol's header, version 1 or 2. */
  readonly proxyProtocol: boolean;
  /** A file to which each request is written as one line; empty: none. */
  readonly accessLog: string;
  /** How long a backend may take for the head of its answer. */
  readonly answerTimeoutMs: number;
  /** How long a backend may take to accept a connection. */
  readonly connectTimeoutMs: number;
  /** So many failures one after the other … */
  readonly maxFailures: number;
  /** … and a backend gets no requests for so long, unless there is no other. */
  readonly restMs: number;
  /** How long a client may take for the head of its request, and at most be silent within a body. */
  readonly clientTimeoutMs: number;
}

/** One backend as a data plane sees it. */
export interface BackendReport {
  /** As in the route table. */
  readonly id: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** `resting`: failed too often; `draining`: gets no new requests. */
  readonly state: 'up' | 'resting' | 'draining';
  /** Requests under way. */
  readonly active: number;
  /** Since it was added. */
  readonly requests: number;
  /** Requests that it failed to answer, since it was added. */
  readonly failures: number;
}

/** What carries requests to backends. */
export interface DataPlane {
  /** `http://127.0.0.1:80`, one for each address it listens on. */
  readonly listening: readonly string[];
  /** From now on, requests go where the table says; those under way end where they are. */
  use(table: RouteTable): Promise<void>;
  /** No new requests for that backend; resolves when those under way are over. */
  drain(backendId: string): Promise<void>;
  backends(): Promise<readonly BackendReport[]>;
  /** Takes no more connections, gives requests under way `graceMs`, then ends everything. */
  close(graceMs: number): Promise<void>;
}
