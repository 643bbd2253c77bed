import { type CatalogInstance, type CatalogSnapshot, healthOf } from '../services/index.ts';
import { blocking, inCatalog, indexHeaders } from './blocking.ts';
import { allInstances, hasMeta, instancesOn, nodeNamed, revisionOfNamed } from './catalog-lookups.ts';
import { type ConsulRequest, type ConsulResponse, type ConsulRoute, isSet, json } from './exchange.ts';
import { ListAnswers } from './list-answers.ts';
import { checkShape, healthShape, nodeCheckShapes } from './present.ts';

export function healthRoutes(): ConsulRoute[] {
  const lists = new ListAnswers();
  return [
    { path: '/v1/health/service/', deep: 'service name', methods: { GET: (request) => serviceHealth(request, lists) } },
    { path: '/v1/health/node/', deep: 'node name', methods: { GET: (request) => checks(request, onNode) } },
    { path: '/v1/health/checks/', deep: 'service name', methods: { GET: (request) => checks(request, ofService) } },
    { path: '/v1/health/state/', deep: 'check state', methods: { GET: (request) => checks(request, inState) } },
  ];
}

function serviceHealth(request: ConsulRequest, lists: ListAnswers): Promise<ConsulResponse> {
  const passing = isSet(request.query, 'passing');
  const keep = (instance: CatalogInstance) => !passing || healthOf(instance) === 'passing';
  return lists.answer(request, { kind: passing ? 'passing' : 'health', keep, show: healthShape });
}

/** The checks to list, and the revision that changes when they may have changed. */
interface Listing {
  readonly index: (snapshot: CatalogSnapshot, request: ConsulRequest) => number;
  readonly value: (snapshot: CatalogSnapshot, request: ConsulRequest) => readonly unknown[];
}

async function checks(request: ConsulRequest, { index, value }: Listing): Promise<ConsulResponse> {
  const found = await blocking(
    request,
    inCatalog(request, {
      index: (snapshot) => index(snapshot, request),
      value: (snapshot) => value(snapshot, request),
    }),
  );
  return json(found.value, indexHeaders(found));
}

function checksOf(instances: readonly CatalogInstance[], { nodes }: CatalogSnapshot) {
  return instances.flatMap((instance) =>
    instance.checks.map((check) => checkShape(check, instance, nodes.get(instance.machine)?.name ?? '')),
  );
}

const onNode: Listing = {
  index: (snapshot, { rest }) => revisionOfNamed(snapshot, rest),
  value(snapshot, { rest }) {
    const node = nodeNamed(snapshot, rest);
    if (!node) return [];
    return [
      ...nodeCheckShapes(node, snapshot.nodeChecksOf(node.id)),
      ...checksOf(instancesOn(snapshot, node), snapshot),
    ];
  },
};

const ofService: Listing = {
  index: (snapshot, { rest }) => snapshot.revisionOf(rest),
  value: (snapshot, { rest }) => checksOf(snapshot.services.get(rest) ?? [], snapshot),
};

const inState: Listing = {
  index: ({ revision }) => revision,
  value(snapshot, { rest, query }) {
    const meta = query.getAll('node-meta');
    const nodes = [...snapshot.nodes.values()].filter((node) => hasMeta(node, meta));
    const ids = new Set(nodes.map(({ id }) => id));
    const instances = allInstances(snapshot).filter(({ machine }) => ids.has(machine));
    const ofNodes = nodes.flatMap((node) => nodeCheckShapes(node, snapshot.nodeChecksOf(node.id)));
    const all = [...ofNodes, ...checksOf(instances, snapshot)];
    return rest === 'any' ? all : all.filter(({ Status }) => Status === rest);
  },
};
