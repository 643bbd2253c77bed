import type { CatalogInstance, CatalogNode, CatalogSnapshot } from '../services/index.ts';

/** True for machines with all the metadata that `?node-meta=key:value` names. */
export function hasMeta({ meta }: CatalogNode, wanted: readonly string[]): boolean {
  return wanted.every((pair) => {
    const colon = pair.indexOf(':');
    return colon < 0 ? pair === '' || pair in meta : meta[pair.slice(0, colon)] === pair.slice(colon + 1);
  });
}

/** By name, or by machine id with or without the dashes of a UUID. */
export function nodeNamed({ nodes }: CatalogSnapshot, name: string): CatalogNode | undefined {
  return nodes.get(name.replaceAll('-', '')) ?? [...nodes.values()].find((node) => node.name === name);
}

export function instancesOn({ services }: CatalogSnapshot, { id }: CatalogNode): CatalogInstance[] {
  return [...services.values()].flat().filter(({ machine }) => machine === id);
}
