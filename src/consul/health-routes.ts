import { type CatalogInstance, type CatalogNode, type CatalogSnapshot, healthOf } from '../services/index.ts';
import { blocking, inCatalog, indexHeaders } from './blocking.ts';
import { hasMeta, instancesOn, nodeNamed } from './catalog-lookups.ts';
import { type Answer, type ConsulRequest, isSet, json, type Route } from './exchange.ts';
import { ListAnswers } from './list-answers.ts';
import { checkShape, healthShape, nodeCheck } from './present.ts';

export function healthRoutes(): Route[] {
  const lists = new ListAnswers();
  return [
    { path: '/v1/health/service/', deep: true, methods: { GET: (request) => serviceHealth(request, lists) } },
    { path: '/v1/health/node/', deep: true, methods: { GET: (request) => checks(request, onNode) } },
    { path: '/v1/health/checks/', deep: true, methods: { GET: (request) => checks(request, ofService) } },
    { path: '/v1/health/state/', deep: true, methods: { GET: (request) => checks(request, inState) } },
  ];
}

function serviceHealth(request: ConsulRequest, lists: ListAnswers): Promise<Answer> {
  const passing = isSet(request.query, 'passing');
  const keep = (instance: CatalogInstance) => !passing || healthOf(instance) === 'passing';
  return lists.answer(request, { kind: passing ? 'passing' : 'health', keep, show: healthShape });
}

interface Checks {
  readonly index: number;
  readonly value: readonly unknown[];
}

async function checks(
  request: ConsulRequest,
  read: (snapshot: CatalogSnapshot, request: ConsulRequest) => Checks,
): Promise<Answer> {
  const found = await blocking(
    request,
    inCatalog(request, (snapshot) => read(snapshot, request)),
  );
  return json(found.value, indexHeaders(found));
}

function checksOf(instances: readonly CatalogInstance[], { nodes }: CatalogSnapshot) {
  return instances.flatMap((instance) =>
    instance.checks.map((check) => checkShape(check, instance, nodes.get(instance.machine)?.name ?? '')),
  );
}

function onNode(snapshot: CatalogSnapshot, { rest }: ConsulRequest): Checks {
  const node = nodeNamed(snapshot, rest);
  const value = node ? [nodeCheck(node), ...checksOf(instancesOn(snapshot, node), snapshot)] : [];
  return { value, index: snapshot.revision };
}

function ofService(snapshot: CatalogSnapshot, { rest }: ConsulRequest): Checks {
  return { value: checksOf(snapshot.services.get(rest) ?? [], snapshot), index: snapshot.revisionOf(rest) };
}

function inState(snapshot: CatalogSnapshot, { rest, query }: ConsulRequest): Checks {
  const meta = query.getAll('node-meta');
  const nodes = [...snapshot.nodes.values()].filter((node) => hasMeta(node, meta));
  const ids = new Set(nodes.map(({ id }) => id));
  const instances = [...snapshot.services.values()].flat().filter(({ machine }) => ids.has(machine));
  const all = [...nodes.map((node: CatalogNode) => nodeCheck(node)), ...checksOf(instances, snapshot)];
  return { value: rest === 'any' ? all : all.filter(({ Status }) => Status === rest), index: snapshot.revision };
}
