import type { Health, ServiceInstance } from './service.ts';

/**
 * What a source says of one place on this machine where a service answers: an instance with checks yet to be run. An
 * empty address stands for the machine's own.
 */
export interface Registration extends Omit<ServiceInstance, 'machine' | 'checks'> {
  readonly checks: readonly CheckDefinition[];
  /** The name of the container behind it, by which a unit may be found. */
  readonly container?: string;
  /** How long it is out of the catalog before its unit is stopped, in milliseconds; absent: as long as is usual. */
  readonly drainMs?: number;
}

/** A check that the machine runs, or (`ttl`) that somebody else reports on. */
export interface CheckDefinition {
  /** Unique on its machine. */
  readonly id: string;
  readonly name: string;
  readonly notes: string;
  readonly probe: Probe;
  /** Until the first result. */
  readonly status: Health;
  /** An instance that has been critical this long leaves the catalog. */
  readonly deregisterAfterMs?: number;
}

/** How a check looks. A script's exit status 0 is passing, 1 warning, anything else critical. */
export type Probe =
  | { readonly type: 'ttl'; readonly ttlMs: number }
  | (Pace & { readonly type: 'tcp'; readonly host: string; readonly port: number })
  | (Pace & {
      readonly type: 'http' | 'https';
      readonly url: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, readonly string[]>>;
      readonly body: string;
      /** Whether a certificate must be one that this machine trusts. */
      readonly verify: boolean;
    })
  | (Pace & {
      readonly type: 'grpc';
      readonly host: string;
      readonly port: number;
      /** Asked about by that name; empty: the server as a whole. */
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
