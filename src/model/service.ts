export type Health = 'passing' | 'warning' | 'critical';

/** One check, as last seen by the machine that runs it, or said by whoever registered an external node. */
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

/**
 * A check that stands in the catalog by itself: one of a whole node, or of an instance on an external node, whose statuses
 * change without the instance being written anew.
 */
export interface NodeCheck extends ServiceCheck {
  /** Id of the instance on that node which it is about; empty: the node with all its instances. */
  readonly service: string;
}

/** A computer that runs no fleetd, registered by somebody who knows of it. Belongs to no machine and hangs on no lease. */
export interface ExternalNode {
  /** As its registrar writes it; upper and lower case are the same name. */
  readonly name: string;
  /** IP address or host name. */
  readonly address: string;
  /** Consul's node ID; empty when nobody said one. */
  readonly uuid: string;
  readonly meta: Readonly<Record<string, string>>;
}

/** What stands for the machine id of an external node; never a machine's, which is 32 hexadecimal digits. */
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
 * One place where a service answers. Written by the fleetd of its machine, under that machine's lease; on an external node
 * by whoever registers it.
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
  /** What registered it. */
  readonly source: 'unit' | 'container' | 'api';
  /** The unit behind it, where one is known. */
  readonly unit?: string;
  readonly routes: readonly RouteRule[];
  readonly checks: readonly ServiceCheck[];
}

/** The worst status of an instance's checks and those of its node; passing when there are none. */
export function healthOf(instance: {
  readonly checks: readonly Pick<ServiceCheck, 'status'>[];
  readonly nodeChecks?: readonly Pick<ServiceCheck, 'status'>[];
}): Health {
  const statuses = [...instance.checks, ...(instance.nodeChecks ?? [])].map(({ status }) => status);
  return statuses.includes('critical') ? 'critical' : statuses.includes('warning') ? 'warning' : 'passing';
}
