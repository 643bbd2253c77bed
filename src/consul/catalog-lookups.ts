import type { CatalogInstance, CatalogNode, CatalogSnapshot, ServiceCheck } from '../services/index.ts';

/** True for nodes with all metadata named by `?node-meta=key:value`. */
export function hasMeta({ meta }: CatalogNode, wanted: readonly string[]): boolean {
  return wanted.every((pair) => {
    const colon = pair.indexOf(':');
    return colon < 0 ? pair === '' || pair in meta : meta[pair.slice(0, colon)] === pair.slice(colon + 1);
  });
}

const byName = new WeakMap<CatalogSnapshot['nodes'], ReadonlyMap<string, CatalogNode>>();

/** Finds a node by name, ignoring case, or by machine id with or without the dashes of a UUID. */
export function nodeNamed({ nodes }: CatalogSnapshot, name: string): CatalogNode | undefined {
  let named = byName.get(nodes);
  if (!named) {
    named = new Map([...nodes.values()].map((node) => [node.name.toLowerCase(), node]));
    byName.set(nodes, named);
  }
  return nodes.get(name.replaceAll('-', '')) ?? named.get(name.toLowerCase());
}

/** Returns the revision of the last change that can matter to the node of that name. */
export function revisionOfNamed(snapshot: CatalogSnapshot, name: string): number {
  return snapshot.revisionOfNode(nodeNamed(snapshot, name)?.id ?? '');
}

/** Lists live machines, without external nodes. */
export function machinesOf({ nodes }: CatalogSnapshot): CatalogNode[] {
  return [...nodes.values()].filter(({ kind }) => kind === 'machine');
}

/** Lists all instances sorted by service, so that every machine lists them in the same order. */
export function allInstances({ services }: CatalogSnapshot): CatalogInstance[] {
  return [...services].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, instances]) => instances);
}

export function instancesOn(snapshot: CatalogSnapshot, { id }: CatalogNode): CatalogInstance[] {
  return allInstances(snapshot).filter(({ machine }) => machine === id);
}

/** Lists the checks of a node and its instances, without the node's presence. */
export function checksOn(snapshot: CatalogSnapshot, node: CatalogNode): readonly ServiceCheck[] {
  return [...snapshot.nodeChecksOf(node.id), ...instancesOn(snapshot, node).flatMap(({ checks }) => checks)];
}
