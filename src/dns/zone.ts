import { type CatalogInstance, type CatalogNode, type CatalogSnapshot, healthOf } from '../services/index.ts';
import type { DnsReply } from './encode-reply.ts';
import { CLASS, type Question, RCODE, TYPE } from './message.ts';
import { addressBytes, addressRecord, type DnsRecord, hostName, isDnsName } from './records.ts';

const DOMAIN = 'consul';
const KINDS: readonly string[] = ['service', 'node', 'addr'];

/** True for names for which this server is the authority. */
export function isInZone(name: string): boolean {
  return name === DOMAIN || name.endsWith(`.${DOMAIN}`);
}

/** The records of one name, by kind of query. A name that does not exist has no Name. */
interface Name {
  readonly addresses: readonly DnsRecord[];
  readonly srv: readonly DnsRecord[];
  /** The address records of the targets of `srv`. */
  readonly targets: readonly DnsRecord[];
}

const EMPTY: Name = { addresses: [], srv: [], targets: [] };

/** One snapshot of the catalog as a DNS zone. Names are cached for as long as the snapshot is current. */
export class Zone {
  readonly #snapshot: CatalogSnapshot;
  readonly #datacenter: string;
  readonly #nodes = new Map<string, CatalogNode>();
  readonly #services = new Map<string, (readonly CatalogInstance[])[]>();
  readonly #names = new Map<string, Name>();

  constructor(snapshot: CatalogSnapshot, datacenter: string) {
    this.#snapshot = snapshot;
    this.#datacenter = datacenter.toLowerCase();
    for (const node of snapshot.nodes.values()) this.#nodes.set(node.name.toLowerCase(), node);
    for (const [name, instances] of snapshot.services) {
      const key = name.toLowerCase();
      this.#services.set(key, [...(this.#services.get(key) ?? []), instances]);
    }
  }

  /** Returns the reply to a query for a name of the zone; its answers are in the catalog's order. */
  reply({ name, type, class: classOf }: Question): DnsReply {
    const refused = type === TYPE.AXFR || type === TYPE.IXFR || (classOf !== CLASS.IN && classOf !== CLASS.ANY);
    if (refused) return { ...NOTHING, rcode: RCODE.refused, authoritative: false };
    const apex = name === DOMAIN;
    if (apex && type === TYPE.NS) return this.#nameServers();
    if (apex && (type === TYPE.SOA || type === TYPE.ANY)) return { ...NOTHING, answers: [this.#soa()] };
    const found = apex ? EMPTY : this.#lookUp(name);
    if (!found) return { ...NOTHING, rcode: RCODE.nxDomain, authority: [this.#soa()] };
    const answers = type === TYPE.SRV ? found.srv : ofType(found.addresses, type);
    if (answers.length === 0) return { ...NOTHING, authority: [this.#soa()] };
    return { ...NOTHING, answers, additional: type === TYPE.SRV ? found.targets : [] };
  }

  #lookUp(name: string): Name | undefined {
    const known = this.#names.get(name);
    if (known) return known;
    const found = this.#resolve(name);
    // Cache existing names only: the number of others is unlimited. Names with tags in any order are few.
    if (found && this.#names.size < MAX_NAMES) this.#names.set(name, found);
    return found;
  }

  #resolve(name: string): Name | undefined {
    const labels = name.split('.').slice(0, -1);
    // A name may contain the datacenter or omit it.
    if (labels.at(-1) === this.#datacenter && (labels.length === 1 || KINDS.includes(labels.at(-2)!))) labels.pop();
    const kind = labels.pop();
    if (kind === undefined) return EMPTY;
    if (!KINDS.includes(kind)) return undefined;
    if (labels.length === 0) return EMPTY;
    if (kind === 'service') return this.#service(name, labels);
    if (kind === 'node') return this.#node(name, labels.join('.'));
    return labels.length === 1 ? hexAddress(name, labels[0]!) : undefined;
  }

  /** `NODE.node`. */
  #node(name: string, node: string): Name | undefined {
    const found = this.#nodes.get(node);
    return found && { ...EMPTY, addresses: present([addressRecord(name, found.address)]) };
  }

  /** `[TAG.]SERVICE.service`, `_SERVICE._TAG.service` and `_SERVICE._tcp.service`. */
  #service(name: string, labels: readonly string[]): Name | undefined {
    const rfc = labels.length === 2 && labels.every((label) => label.startsWith('_'));
    const service = rfc ? labels[0]!.slice(1) : labels.at(-1)!;
    const prefix = rfc ? labels[1]!.slice(1) : labels.slice(0, -1).join('.');
    const tag = prefix === '' || (rfc && prefix === 'tcp') ? undefined : prefix;
    const instances = (this.#services.get(service) ?? [])
      .flat()
      .filter((instance) => healthOf(instance) !== 'critical' && this.#snapshot.nodes.has(instance.machine))
      .filter(({ tags }) => tag === undefined || tags.some((candidate) => candidate.toLowerCase() === tag));
    if (instances.length > 0) return this.#nameOf(name, instances);
    return service === DOMAIN && tag === undefined && !this.#services.has(service) ? this.#servers(name) : undefined;
  }

  /**
   * `consul.service` names every machine, since each serves Consul's API, unless a service of that name is registered.
   */
  #servers(name: string): Name {
    const targets = this.#machines().map((node) => ({
      address: node.address,
      target: this.#target(node.address, node),
    }));
    const srv = { name, type: TYPE.SRV, priority: 1, weight: 1, port: API_PORT };
    return {
      addresses: present(targets.map(({ address }) => addressRecord(name, address))),
      srv: targets.map(({ target }) => ({ ...srv, target })),
      targets: present(targets.map(({ target, address }) => addressRecord(target, address))),
    };
  }

  #nameOf(name: string, instances: readonly CatalogInstance[]): Name {
    const addresses = new Map<string, DnsRecord | undefined>();
    const srv = new Map<string, DnsRecord>();
    const targets = new Map<string, DnsRecord | undefined>();
    for (const instance of instances) {
      const node = this.#snapshot.nodes.get(instance.machine)!;
      const address = instance.address || node.address;
      const target = this.#target(address, node);
      addresses.set(address, addressRecord(name, address));
      if (!isDnsName(target)) continue;
      if (target !== hostName(address)) targets.set(target, addressRecord(target, address));
      const { port, weights } = instance;
      const weight = healthOf(instance) === 'passing' ? weights.passing : weights.warning;
      srv.set(`${port} ${target}`, { name, type: TYPE.SRV, priority: 1, weight, port, target });
    }
    return {
      addresses: present([...addresses.values()]),
      srv: [...srv.values()],
      targets: present([...targets.values()]),
    };
  }

  #machines(): CatalogNode[] {
    return [...this.#nodes.values()].filter(({ kind }) => kind === 'machine');
  }

  /**
   * Returns the target of an SRV record: the node's name when the service has the node's address; the service's own
   * host name; else a name under `addr.` that encodes the address.
   */
  #target(address: string, node: CatalogNode): string {
    const host = hostName(address);
    if (host !== undefined) return host;
    const bytes = addressBytes(address);
    const nodeName = `${node.name.toLowerCase()}.node.${this.#datacenter}.${DOMAIN}`;
    if (!bytes || (node.address === address && isDnsName(nodeName))) return nodeName;
    return `${bytes.toString('hex')}.addr.${this.#datacenter}.${DOMAIN}`;
  }

  #nameServers(): DnsReply {
    const nodes = this.#machines()
      .map(({ name, address }) => ({ target: `${name.toLowerCase()}.node.${this.#datacenter}.${DOMAIN}`, address }))
      .filter(({ target }) => isDnsName(target));
    return {
      ...NOTHING,
      answers: nodes.map(({ target }) => ({ name: DOMAIN, type: TYPE.NS, target })),
      additional: present(nodes.map(({ target, address }) => addressRecord(target, address))),
    };
  }

  #soa(): DnsRecord {
    return { name: DOMAIN, type: TYPE.SOA, serial: this.#snapshot.revision };
  }
}

const NOTHING: DnsReply = { rcode: RCODE.ok, authoritative: true, answers: [], authority: [], additional: [] };
const MAX_NAMES = 10_000;
const API_PORT = 8500;

/** Selects the records for a query of that type; a CNAME only where no other record fits (RFC 1034 §3.6.2). */
function ofType(records: readonly DnsRecord[], type: number): readonly DnsRecord[] {
  const addresses = records.filter((record) => record.type !== TYPE.CNAME);
  const wanted = type === TYPE.ANY ? addresses : addresses.filter((record) => record.type === type);
  return wanted.length > 0 ? wanted : records.filter((record) => record.type === TYPE.CNAME);
}

function present(records: readonly (DnsRecord | undefined)[]): DnsRecord[] {
  return records.filter((record) => record !== undefined);
}

/** `7f000102.addr`, or 32 digits for IPv6. */
function hexAddress(name: string, digits: string): Name | undefined {
  if (!/^([0-9a-f]{8}|[0-9a-f]{32})$/.test(digits)) return undefined;
  const address = Buffer.from(digits, 'hex');
  return { ...EMPTY, addresses: [{ name, type: address.length === 4 ? TYPE.A : TYPE.AAAA, address }] };
}
