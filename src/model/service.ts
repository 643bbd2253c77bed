export type Health = 'passing' | 'warning' | 'critical';

/** One check of an instance, as last seen by the machine that owns it. */
export interface ServiceCheck {
  /** Unique on its machine, e.g. `service:web-1`. */
  readonly id: string;
  readonly name: string;
  /** `http`, `https`, `tcp`, `grpc`, `script`, `ttl`. */
  readonly type: string;
  readonly status: Health;
  /** What the check said last; at most 4 KB. */
  readonly output: string;
  readonly notes: string;
}

/** Hosts and paths for which the router sends requests to an instance; see [X-Service] Host= and Path=. */
export interface RouteRule {
  /** Lower-case host, `*.` at the start stands for any one label; absent: the service's own name, `NAME.*`. */
  readonly host?: string;
  /** Prefix of the path, beginning with `/`; `/` when absent. */
  readonly path?: string;
}

/** One place where a service answers. Written by the fleetd of its machine, under that machine's lease. */
export interface ServiceInstance {
  /** Machine id. */
  readonly machine: string;
  /** Unique on its machine. */
  readonly id: string;
  /** The service's name. */
  readonly name: string;
  /** IP address. */
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly weights: { readonly passing: number; readonly warning: number };
  readonly enableTagOverride: boolean;
  /** What registered it. */
  readonly source: 'unit' | 'container' | 'api';
  /** The unit behind it, where one is known. */
  readonly unit?: string;
  readonly routes: readonly RouteRule[];
  readonly checks: readonly ServiceCheck[];
}

/** The worst status of an instance's checks; passing when it has none. */
export function healthOf(instance: Pick<ServiceInstance, 'checks'>): Health {
  const statuses = instance.checks.map(({ status }) => status);
  return statuses.includes('critical') ? 'critical' : statuses.includes('warning') ? 'warning' : 'passing';
}
