/** A catalog in memory for tests of its readers, filled by the test. */
import type { Catalog, CatalogInstance, CatalogNode, CatalogSnapshot, Health } from './index.ts';

export interface TestInstance {
  readonly name: string;
  readonly id?: string;
  readonly node?: string;
  readonly address?: string;
  readonly port?: number;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly health?: Health;
  readonly weights?: { readonly passing: number; readonly warning: number };
}

export class TestCatalog implements Catalog {
  readonly #listeners = new Set<(snapshot: CatalogSnapshot) => void>();
  readonly #revisions = new Map<string, number>();
  snapshot: CatalogSnapshot = this.#build(1, new Map(), new Map());

  onChange(listener: (snapshot: CatalogSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async sync(): Promise<void> {}

  /** Adds nodes, by name and address. */
  nodes(nodes: Readonly<Record<string, string>>, kind: CatalogNode['kind'] = 'machine'): void {
    const revision = this.snapshot.revision + 1;
    const all = new Map(this.snapshot.nodes);
    for (const [name, address] of Object.entries(nodes)) {
      const id = nodeId(name);
      const revisions = { createRevision: revision, modifyRevision: revision };
      all.set(id, { id, kind, name, uuid: id, address, meta: {}, ...revisions });
    }
    this.#publish(this.#build(revision, all, this.snapshot.services));
  }

  /** Sets the instances of a service; none removes it. */
  set(name: string, instances: readonly Omit<TestInstance, 'name'>[]): void {
    const revision = this.snapshot.revision + 1;
    const services = new Map(this.snapshot.services);
    const built = instances.map((instance, index) => this.#instance({ name, ...instance }, index, revision));
    if (built.length > 0) services.set(name, built);
    else services.delete(name);
    this.#revisions.set(name, revision);
    this.#publish(this.#build(revision, this.snapshot.nodes, services));
  }

  #instance(given: TestInstance, index: number, revision: number): CatalogInstance {
    const { name, id = `${name}-${index}`, node = 'one', health = 'passing', address, port = 8000 + index } = given;
    const found = [...this.snapshot.nodes.values()].find((candidate) => candidate.name === node);
    if (!found) throw new Error(`no node ${node}`);
    const check = { id: `service:${id}`, name: `Service '${name}' check`, type: 'ttl', output: '', notes: '' };
    return {
      machine: found.id,
      id,
      name,
      address: address ?? found.address,
      port,
      tags: given.tags ?? [],
      meta: given.meta ?? {},
      weights: given.weights ?? { passing: 1, warning: 1 },
      enableTagOverride: false,
      source: 'api',
      routes: [],
      checks: [{ ...check, status: health }],
      createRevision: revision,
      modifyRevision: revision,
    };
  }

  #build(
    revision: number,
    nodes: ReadonlyMap<string, CatalogNode>,
    services: ReadonlyMap<string, readonly CatalogInstance[]>,
  ): CatalogSnapshot {
    const revisions = new Map(this.#revisions);
    const [revisionOf, revisionOfNode] = [(service: string) => revisions.get(service) ?? 1, () => revision];
    return { revision, nodes, services, nodeChecksOf: () => [], revisionOf, revisionOfNode };
  }

  #publish(snapshot: CatalogSnapshot): void {
    this.snapshot = snapshot;
    for (const listener of this.#listeners) listener(snapshot);
  }
}

/** Returns 32 hexadecimal digits made of a node's name. */
export function nodeId(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(32, '0').slice(0, 32);
}
