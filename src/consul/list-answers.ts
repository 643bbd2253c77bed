import type { CatalogInstance, CatalogNode, CatalogSnapshot } from '../services/index.ts';
import { blocking, inCatalog, indexHeaders } from './blocking.ts';
import { hasMeta } from './catalog-lookups.ts';
import { type ConsulRequest, type ConsulResponse, jsonBody } from './exchange.ts';

/** One way of listing a service's instances. */
export interface Listed {
  /** Distinguishes this way from others with the same query. */
  readonly kind: string;
  readonly keep: (instance: CatalogInstance) => boolean;
  readonly show: (instance: CatalogInstance, node: CatalogNode, datacenter: string) => unknown;
}

const NONE = '[]';
const MAX_VARIANTS = 100;

interface Made {
  readonly nodes: CatalogSnapshot['nodes'];
  /** Bodies by kind and query. */
  readonly bodies: Map<string, Buffer>;
}

/**
 * Encodes lists of a service's instances, in the catalog's order. A body is cached for as long as the instances and the
 * nodes are the same.
 */
export class ListAnswers {
  readonly #made = new WeakMap<readonly CatalogInstance[], Made>();

  async answer(request: ConsulRequest, listed: Listed): Promise<ConsulResponse> {
    const name = request.rest;
    const found = await blocking(
      request,
      inCatalog(request, { value: (snapshot) => snapshot, index: (snapshot) => snapshot.revisionOf(name) }),
    );
    const instances = found.value.services.get(name);
    const body = instances ? this.#body(found.value, instances, request, listed) : NONE;
    return jsonBody(body, indexHeaders(found));
  }

  #body(
    snapshot: CatalogSnapshot,
    instances: readonly CatalogInstance[],
    request: ConsulRequest,
    listed: Listed,
  ): Buffer {
    const { query, parts } = request;
    const tags = query.getAll('tag').map((tag) => tag.toLowerCase());
    const meta = query.getAll('node-meta');
    const key = JSON.stringify([listed.kind, tags, meta]);
    const bodies = this.#bodies(snapshot, instances);
    const known = bodies.get(key);
    if (known) return known;
    const shown = instances.flatMap((instance) => {
      const node = snapshot.nodes.get(instance.machine);
      const own = instance.tags.map((tag) => tag.toLowerCase());
      const wanted = node && listed.keep(instance) && tags.every((tag) => own.includes(tag)) && hasMeta(node, meta);
      return wanted ? [listed.show(instance, node, parts.datacenter)] : [];
    });
    const body = Buffer.from(JSON.stringify(shown));
    if (bodies.size >= MAX_VARIANTS) bodies.clear();
    bodies.set(key, body);
    return body;
  }

  #bodies({ nodes }: CatalogSnapshot, instances: readonly CatalogInstance[]): Map<string, Buffer> {
    const made = this.#made.get(instances);
    if (made?.nodes === nodes) return made.bodies;
    const bodies = new Map<string, Buffer>();
    this.#made.set(instances, { nodes, bodies });
    return bodies;
  }
}
