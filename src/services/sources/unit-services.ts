import { isIPv6 } from 'node:net';
import type { Cluster } from '../../cluster/index.ts';
import { type CheckDefinition, expandVariables, type Probe, type Registration } from '../../model/index.ts';
import type { LoadedUnit, UnitRuntime } from '../../runtime/index.ts';
import { containerNames, type DeclaredService, parseUnitFile, readServices } from '../../unitfile/index.ts';

export interface UnitServicesOptions {
  readonly cluster: Cluster;
  readonly runtime: UnitRuntime;
  /** This machine's address, as others reach it. */
  readonly address: () => string;
}

/** The services and containers that a unit file declares, for one unit. */
interface UnitFacts {
  readonly hash: string;
  readonly services: readonly DeclaredService[];
  readonly containers: readonly string[];
  /** The registrations made of them, kept as long as the address is the same. */
  registrations?: { readonly address: string; readonly list: readonly Registration[] };
}

/** The source of the services that units declare in [X-Service], each while its unit is active on this machine. */
export class UnitServices {
  readonly name = 'unit';
  readonly #options: UnitServicesOptions;
  #facts = new Map<string, UnitFacts>();
  #units: ReadonlyMap<string, string> = new Map();

  constructor(options: UnitServicesOptions) {
    this.#options = options;
  }

  /** Returns the unit whose commands run a container of that name. */
  unitOfContainer(container: string): string | undefined {
    return this.#units.get(container);
  }

  /** Yields whole states; rejects when the store or the runtime cannot be reached: call again. */
  async *states(signal: AbortSignal): AsyncGenerator<readonly Registration[]> {
    for await (const _ of this.#options.runtime.states(signal)) yield await this.#registrations();
  }

  async #registrations(): Promise<readonly Registration[]> {
    const held = await this.#options.runtime.units();
    await this.#readFacts(held);
    this.#units = new Map(
      [...this.#facts].flatMap(([unit, { containers }]) => containers.map((container) => [container, unit] as const)),
    );
    const address = this.#options.address();
    return held.filter(isActive).flatMap(({ name }) => this.#registrationsOf(name, address));
  }

  #registrationsOf(unit: string, address: string): readonly Registration[] {
    const facts = this.#facts.get(unit);
    if (!facts) return [];
    if (facts.registrations?.address !== address) {
      const list = facts.services.map((service) => toRegistration(unit, service, address));
      facts.registrations = { address, list };
    }
    return facts.registrations.list;
  }

  /** Reads the files of new units. One that is no longer in the store belongs to a unit that is about to be stopped. */
  async #readFacts(held: readonly LoadedUnit[]): Promise<void> {
    const kept = new Map<string, UnitFacts>();
    const missing: LoadedUnit[] = [];
    for (const unit of held) {
      const facts = this.#facts.get(unit.name);
      if (facts?.hash === unit.hash) kept.set(unit.name, facts);
      else missing.push(unit);
    }
    if (missing.length > 0) {
      const texts = await this.#options.cluster.texts(missing);
      for (const { name, hash } of missing) {
        const text = texts.get(hash);
        if (text === undefined) continue;
        const { options } = parseUnitFile(text);
        const { services } = readServices(name, options);
        kept.set(name, { hash, services, containers: containerNames(name, options) });
      }
    }
    this.#facts = kept;
  }
}

function isActive({ state }: LoadedUnit): boolean {
  return state.active === 'active' || state.active === 'reloading';
}

function toRegistration(unit: string, service: DeclaredService, address: string): Registration {
  const { name, port, tags, meta, routes, drainMs } = service;
  const id = `${unit}:${name}:${port}`;
  const probe = probeOf(service, address);
  const check: CheckDefinition | undefined = probe && {
    id: `service:${id}`,
    name: `Service '${name}' check`,
    notes: '',
    probe,
    status: 'critical',
  };
  return {
    id,
    name,
    address: '',
    port,
    tags,
    meta,
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    source: 'unit',
    unit,
    routes,
    checks: check ? [check] : [],
    ...(drainMs === undefined ? {} : { drainMs }),
  };
}

function probeOf({ check, port, intervalMs, timeoutMs }: DeclaredService, address: string): Probe | undefined {
  const pace = { intervalMs, timeoutMs };
  switch (check?.type) {
    case undefined:
      return undefined;
    case 'http':
    case 'https': {
      const url = `${check.type}://${isIPv6(address) ? `[${address}]` : address}:${port}${check.path}`;
      // Do not verify the certificate: it has the service's public name, and not this machine's address.
      return { type: check.type, url, method: 'GET', headers: {}, body: '', verify: false, ...pace };
    }
    case 'tcp':
      return { type: 'tcp', host: address, port, ...pace };
    case 'grpc':
      return { type: 'grpc', host: address, port, service: check.service, tls: false, verify: false, ...pace };
    case 'script': {
      const env = { SERVICE_IP: address, SERVICE_PORT: String(port) };
      // Expand variables as systemd does in a command (systemd.service(5), COMMAND LINES).
      return { type: 'script', args: check.args.map((word) => expandVariables(word, env)), env, ...pace };
    }
    case 'ttl':
      return { type: 'ttl', ttlMs: check.ttlMs };
  }
}
