export type Health = 'passing' | 'warning' | 'critical';

/** The last result of one check, by the machine that runs it or by the client that registered an external node. */
export interface ServiceCheck {
  /** Unique on its machine, e.g. `service:web-1`. */
  readonly id: string;
  readonly name: string;
  /** `http`, `https`, `tcp`, `grpc`, `script`, `ttl`. */
  readonly type: string;
  readonly status: Health;
  /** The text of the last result; at most 4 KB. */
  readonly output: string;
  readonly notes: string;
}

/**
 * A check with a record of its own in the catalog: of a whole node, or of an instance on an external node. Its status
 * can change while the instance's record stays as it is.
 */
export interface NodeCheck extends ServiceCheck {
  /** Id of the instance on that node to which the check belongs; empty: the node with all its instances. */
  readonly service: string;
}

/** A computer that runs no fleetd, registered by a client of Consul's API. It has no machine and no lease. */
export interface ExternalNode {
  /** As registered; names that differ in case only are the same. */
  readonly name: string;
  /** IP address or host name. */
  readonly address: string;
  /** Consul's node ID; empty when the registration has none. */
  readonly uuid: string;
  readonly meta: Readonly<Record<string, string>>;
}

/**
 * Returns the stand-in for the machine id of an external node. It never equals a machine id (32 hexadecimal digits).
 */
export function externalNodeId(name: string): string {
  return `external:${name.toLowerCase()}`;
}

/** Hosts and paths for which the router sends requests to an instance; see [X-Service] Host= and Path=. */
export interface RouteRule {
  /** Lower-case host, `*.` at the start stands for any one label; absent: the service's own name, `NAME.*`. */
  readonly host?: string;
  /** Prefix of the path, beginning with `/`; `/` when absent. */
  readonly path?: string;
}

/**
 * One instance of a service. Its machine's fleetd writes it under that machine's lease; on an external node the
 * registering client writes it.
 */
export interface ServiceInstance {
  /** Machine id, or that of an external node. */
  readonly machine: string;
  /** Unique on its machine. */
  readonly id: string;
  /** The service's name. */
  readonly name: string;
  /** IP address; empty on an external node: the node's own. */
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly weights: { readonly passing: number; readonly warning: number };
  readonly enableTagOverride: boolean;
  /** The source of the registration. */
  readonly source: 'unit' | 'container' | 'api';
  /** The unit of the instance, if known. */
  readonly unit?: string;
  readonly routes: readonly RouteRule[];
  readonly checks: readonly ServiceCheck[];
}

/** Returns the worst status of an instance's checks and those of its node; passing when there are none. */
export function healthOf(instance: {
  readonly checks: readonly Pick<ServiceCheck, 'status'>[];
  readonly nodeChecks?: readonly Pick<ServiceCheck, 'status'>[];
}): Health {
  const statuses = [...instance.checks, ...(instance.nodeChecks ?? [])].map(({ status }) => status);
  return statuses.includes('critical') ? 'critical' : statuses.includes('warning') ? 'warning' : 'passing';
}
