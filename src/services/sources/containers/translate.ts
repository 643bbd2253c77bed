import { isIP } from 'node:net';
import type { Registration } from '../../index.ts';
import { checkOf } from './container-check.ts';
import type { ContainerConfig, ContainerInspect, PortBinding } from './inspect.ts';
import { ServiceVariablesReader, splitTags } from './service-variables.ts';

/** The facts of this machine on which a container's registrations depend. */
export interface MachineFacts {
  /** The first part of the ids of services. */
  readonly hostName: string;
  /** The address at which other machines reach this one, and checks their containers. */
  readonly address: string;
  /** True when services listen at the addresses of their containers, their ports published or not (`docker_internal`). */
  readonly internal: boolean;
}

/** A port at which a service of a container listens. */
interface ServicePort {
  /** The port inside the container. */
  readonly exposed: string;
  readonly protocol: string;
  /** The IP of the binding, or of the container; empty: the machine's own. */
  readonly ip: string;
  /** The port at that IP. */
  readonly port: number;
}

const MAX_PORTS = 1024;
/** The limit of ports times characters of variables, since each port has a copy of them as its metadata. */
const MAX_PORT_CHARS = 1 << 19;
/** The most characters of variables: a registration has no room for more (MAX_REGISTRATION_BYTES). */
const MAX_CHARS = 1 << 16;

/** Counts the ports that become services; when there are very many, all that are named, since that needs no merging. */
function countPorts(container: ContainerInspect, machine: MachineFacts): number {
  const { Config, NetworkSettings } = container;
  const lists = [Config?.ExposedPorts, NetworkSettings?.Ports];
  const named = Math.max(...lists.map((ports) => Object.keys(ports ?? {}).length));
  if (named > 8 * MAX_PORTS) return named;
  return (machine.internal ? internalPortsOf(container) : portsOf(container)).length;
}

/** Returns why a container has too many ports or variables, of which an image may bring any number; else undefined. */
export function excessOf(container: ContainerInspect, machine: MachineFacts): string | undefined {
  const ports = countPorts(container, machine);
  if (ports > MAX_PORTS) return `it has ${ports} ports, at most ${MAX_PORTS} become services: publish fewer`;
  const { chars } = new ServiceVariablesReader(container.Config ?? {});
  if (chars > MAX_CHARS) return `its SERVICE_ variables have ${chars} characters, at most ${MAX_CHARS} fit: set fewer`;
  if (ports * chars <= MAX_PORT_CHARS) return undefined;
  const what = `its SERVICE_ variables have ${chars} characters for each of ${ports} ports`;
  return `${what}, at most ${MAX_PORT_CHARS} fit together: set fewer, or publish fewer ports`;
}

/**
 * Returns the services of a running container, by the rules and variables of Registrator (SERVICE_NAME, SERVICE_80_TAGS…),
 * so that images and unit files written for it mean the same here: https://gliderlabs.github.io/registrator/
 */
export function registrationsOf(container: ContainerInspect, machine: MachineFacts): Registration[] {
  const all = machine.internal ? internalPortsOf(container) : portsOf(container);
  const ports = all.filter((port) => isReachable(port, machine));
  const isGroup = ports.length > 1;
  const variables = new ServiceVariablesReader(container.Config ?? {});
  return ports.flatMap((port) => registrationOf(container, port, { machine, isGroup, variables }) ?? []);
}

/** Returns the ports of a container at this machine: published ones, and with --net=host the exposed ones. */
function portsOf({ Config, NetworkSettings }: ContainerInspect): ServicePort[] {
  const bindings = new Map<string, PortBinding>();
  for (const port of Object.keys(Config?.ExposedPorts ?? {})) bindings.set(port, { HostPort: port.split('/')[0]! });
  for (const [port, published] of Object.entries(NetworkSettings?.Ports ?? {}))
    bindings.set(port, published?.[0] ?? { HostPort: '' });
  return [...bindings].flatMap(([port, { HostIp = '', HostPort = '' }]) => {
    const [exposed = '', protocol = 'tcp'] = port.split('/');
    const hostPort = Number(HostPort);
    if (HostPort === '' || !(hostPort > 0)) return [];
    const everywhere = ['0.0.0.0', '::'].includes(HostIp) || isIP(HostIp) === 0;
    return [{ exposed, protocol, ip: everywhere ? '' : HostIp, port: hostPort }];
  });
}

/** Returns the exposed and published ports of a container at its own address, or with --net=host at the machine's. */
function internalPortsOf({ Config, NetworkSettings }: ContainerInspect): ServicePort[] {
  const { IPAddress, Networks, Ports } = NetworkSettings ?? {};
  const ip = IPAddress || Object.values(Networks ?? {}).find((network) => network.IPAddress)?.IPAddress || '';
  const names = new Set([...Object.keys(Config?.ExposedPorts ?? {}), ...Object.keys(Ports ?? {})]);
  return [...names].map((name) => {
    const [exposed = '', protocol = 'tcp'] = name.split('/');
    return { exposed, protocol, ip, port: Number(exposed) };
  });
}

/** Returns false for a port bound to loopback, which no other machine can reach. */
function isReachable({ ip }: ServicePort, { address }: MachineFacts): boolean {
  return !/^(127\.|::1$)/.test(ip) || ip === address;
}

interface Surroundings {
  readonly machine: MachineFacts;
  /** True when the container has more ports than this one. */
  readonly isGroup: boolean;
  readonly variables: ServiceVariablesReader;
}

function registrationOf(
  container: ContainerInspect,
  port: ServicePort,
  { machine, isGroup, variables }: Surroundings,
): Registration | undefined {
  const config: ContainerConfig = container.Config ?? {};
  const { values, ofPort, meta } = variables.of(port.exposed);
  if (values.get('ignore')) return undefined;
  const containerName = (container.Name ?? '').replace(/^\//, '');
  const udp = port.protocol === 'udp';
  const ownName = values.get('name') || imageName(config.Image ?? '');
  const address = port.ip || machine.address;
  const id = values.get('id') || `${machine.hostName}:${containerName}:${port.exposed}${udp ? ':udp' : ''}`;
  const check = checkOf({ values, id, address, port: port.port, container: container.Id ?? containerName });
  return {
    id,
    name: isGroup && !ofPort.has('name') ? `${ownName}-${port.exposed}` : ownName,
    address: port.ip,
    port: port.port,
    tags: [...new Set([...splitTags(values.get('tags') ?? ''), ...(udp ? ['udp'] : [])])],
    meta,
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    source: 'container',
    container: containerName,
    routes: [],
    checks: check ? [check] : [],
  };
}

/** Returns the last part of an image's name: `web` of `registry:5000/me/web:1.2`. */
function imageName(image: string): string {
  return image.slice(image.lastIndexOf('/') + 1).split(/[:@]/)[0]!;
}
