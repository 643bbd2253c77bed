import type { Health, ServiceInstance } from './service.ts';

/**
 * What a source says of one instance on this machine, with checks yet to be run. An empty address means the machine's
 * own.
 */
export interface Registration extends Omit<ServiceInstance, 'machine' | 'checks'> {
  readonly checks: readonly CheckDefinition[];
  /** The name of the instance's container, which may lead to its unit. */
  readonly container?: string;
  /** Milliseconds from leaving the catalog until the unit is stopped; absent: the cluster's default. */
  readonly drainMs?: number;
}

/** A check that the machine runs, or (`ttl`) that a client reports on. */
export interface CheckDefinition {
  /** Unique on its machine. */
  readonly id: string;
  readonly name: string;
  readonly notes: string;
  readonly probe: Probe;
  /** The status before the first result. */
  readonly status: Health;
  /** Milliseconds of being critical after which the instance leaves the catalog. */
  readonly deregisterAfterMs?: number;
}

/** How a check probes. Exit status 0 of a script means passing, 1 warning, any other critical. */
export type Probe =
  | { readonly type: 'ttl'; readonly ttlMs: number }
  | (Pace & { readonly type: 'tcp'; readonly host: string; readonly port: number })
  | (Pace & {
      readonly type: 'http' | 'https';
      readonly url: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, readonly string[]>>;
      readonly body: string;
      /** True when the server's certificate must be one that this machine trusts. */
      readonly verify: boolean;
    })
  | (Pace & {
      readonly type: 'grpc';
      readonly host: string;
      readonly port: number;
      /** The name in the health request of gRPC; empty: the server as a whole. */
      readonly service: string;
      readonly tls: boolean;
      readonly verify: boolean;
    })
  | (Pace & {
      readonly type: 'script';
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    });

interface Pace {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}
