import type { CatalogInstance, CatalogSnapshot } from '../services/index.ts';
import { blocking, inCatalog, indexHeaders } from './blocking.ts';
import { hasMeta, instancesOn, nodeNamed, revisionOfNamed } from './catalog-lookups.ts';
import { deregisterNode, registerNode } from './catalog-writes.ts';
import { type ConsulRequest, type ConsulResponse, type ConsulRoute, json, jsonBody } from './exchange.ts';
import { ListAnswers, type Listed } from './list-answers.ts';
import { catalogServiceShape, nodeShape, serviceShape } from './present.ts';
import { UnchangedIndex } from './unchanged-index.ts';

export function catalogRoutes(): ConsulRoute[] {
  const lists = new ListAnswers();
  const services = new UnchangedIndex(servicesBody);
  const nodes = new UnchangedIndex(nodesBody);
  return [
    { path: '/v1/catalog/datacenters', methods: { GET: ({ parts }) => json([parts.datacenter]) } },
    { path: '/v1/catalog/services', methods: { GET: (request) => whole(request, services) } },
    { path: '/v1/catalog/nodes', methods: { GET: (request) => whole(request, nodes) } },
    {
      path: '/v1/catalog/service/',
      deep: 'service name',
      methods: { GET: (request) => lists.answer(request, { kind: 'catalog', keep: () => true, show: showService }) },
    },
    { path: '/v1/catalog/node/', deep: 'node name', methods: { GET: oneNode } },
    { path: '/v1/catalog/register', methods: { PUT: registerNode } },
    { path: '/v1/catalog/deregister', methods: { PUT: deregisterNode } },
  ];
}

const showService: Listed['show'] = catalogServiceShape;

async function whole(request: ConsulRequest, state: UnchangedIndex): Promise<ConsulResponse> {
  const variant = request.query.getAll('node-meta').sort().join('\n');
  const found = await blocking(
    request,
    inCatalog(request, {
      value: (snapshot) => state.look(snapshot, request.parts.datacenter, variant).body,
      index: (snapshot) => state.look(snapshot, request.parts.datacenter, variant).index,
    }),
  );
  return jsonBody(found.value, indexHeaders(found));
}

function servicesBody(snapshot: CatalogSnapshot, _: string, variant: string): string {
  const wanted = variant === '' ? [] : variant.split('\n');
  const onWanted = ({ machine }: CatalogInstance) => {
    const node = snapshot.nodes.get(machine);
    return node !== undefined && hasMeta(node, wanted);
  };
  const services: Record<string, string[]> = Object.create(null);
  for (const [name, instances] of [...snapshot.services].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const shown = wanted.length === 0 ? instances : instances.filter(onWanted);
    if (shown.length > 0) services[name] = [...new Set(shown.flatMap(({ tags }) => tags))].sort();
  }
  return JSON.stringify(services);
}

function nodesBody(snapshot: CatalogSnapshot, datacenter: string, variant: string): string {
  const wanted = variant === '' ? [] : variant.split('\n');
  const nodes = [...snapshot.nodes.values()].filter((node) => hasMeta(node, wanted));
  return JSON.stringify(nodes.map((node) => nodeShape(node, datacenter)));
}

async function oneNode(request: ConsulRequest): Promise<ConsulResponse> {
  const { rest, parts } = request;
  const found = await blocking(
    request,
    inCatalog(request, { value: (snapshot) => snapshot, index: (snapshot) => revisionOfNamed(snapshot, rest) }),
  );
  const node = nodeNamed(found.value, rest);
  if (!node) return json(null, indexHeaders(found));
  const services = instancesOn(found.value, node).map((instance) => [instance.id, serviceShape(instance)]);
  const body = { Node: nodeShape(node, parts.datacenter), Services: Object.fromEntries(services) };
  return json(body, indexHeaders(found));
}
