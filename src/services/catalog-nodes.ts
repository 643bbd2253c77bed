import type { CatalogRecords } from '../cluster/index.ts';
import type { CatalogNode } from './catalog.ts';
import { nodeNames } from './node-names.ts';

/**
 * Returns the nodes of the records, by id and in the order of their names: the machines, and the external nodes whose name
 * no machine has. A machine that joins hides the external node with its name, which is shown again when the machine leaves.
 */
export function nodesOf({ machines, externals }: CatalogRecords): Map<string, CatalogNode> {
  const nodes = new Map<string, CatalogNode>();
  const names = nodeNames(machines.values());
  for (const [id, { address, metadata: meta, createRevision, modifyRevision }] of machines) {
    const common = { address, meta, createRevision, modifyRevision };
    nodes.set(id, { id, kind: 'machine', name: names.get(id)!, uuid: uuidOf(id), ...common });
  }
  const taken = new Set(names.values());
  for (const [id, external] of externals)
    if (!taken.has(external.name.toLowerCase())) nodes.set(id, { id, kind: 'external', ...external });
  return new Map([...nodes].sort(([, a], [, b]) => (a.name < b.name ? -1 : 1)));
}

/** Returns a machine id, 32 hexadecimal digits, as the UUID that Consul's clients expect. */
function uuidOf(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.+)$/, '$1-$2-$3-$4-$5');
}
