import { type Health, healthOf, type ServiceCheck, type ServiceInstance } from '../services/index.ts';
import { machinesOf } from './catalog-lookups.ts';
import {
  ConsulError,
  type ConsulHandler,
  type ConsulRequest,
  type ConsulResponse,
  type ConsulRoute,
  isSet,
  json,
  NOTHING,
  text,
} from './exchange.ts';
import { JsonFields, readJson } from './json-fields.ts';
import { checkShape, nodeCheckShape, serviceShape } from './present.ts';
import { readCheck, readRegistration, readStatus, serviceOfCheck } from './registration-body.ts';

/** The version of Consul whose API is served. */
const API_VERSION = '1.8.7';

export function agentRoutes(): ConsulRoute[] {
  return [
    { path: '/v1/agent/self', methods: { GET: self } },
    { path: '/v1/agent/members', methods: { GET: members } },
    { path: '/v1/agent/services', methods: { GET: services } },
    { path: '/v1/agent/checks', methods: { GET: checks } },
    { path: '/v1/agent/service/register', methods: { PUT: register } },
    { path: '/v1/agent/service/deregister/', deep: 'service ID', ...putOrGet(deregister) },
    { path: '/v1/agent/maintenance', methods: { PUT: nodeMaintenance } },
    { path: '/v1/agent/service/maintenance/', deep: 'service ID', methods: { PUT: maintenance } },
    { path: '/v1/agent/service/', deep: 'service ID', methods: { GET: service } },
    { path: '/v1/agent/health/service/id/', deep: 'service ID', methods: { GET: healthOfId } },
    { path: '/v1/agent/health/service/name/', deep: 'service name', methods: { GET: healthOfName } },
    { path: '/v1/agent/check/register', methods: { PUT: registerCheck } },
    { path: '/v1/agent/check/deregister/', deep: 'check ID', ...putOrGet(deregisterCheck) },
    { path: '/v1/agent/check/pass/', deep: 'check ID', ...putOrGet((request) => note(request, 'passing')) },
    { path: '/v1/agent/check/warn/', deep: 'check ID', ...putOrGet((request) => note(request, 'warning')) },
    { path: '/v1/agent/check/fail/', deep: 'check ID', ...putOrGet((request) => note(request, 'critical')) },
    { path: '/v1/agent/check/update/', deep: 'check ID', methods: { PUT: update } },
  ];
}

/** Consul before 1.0 accepted GET here, and clients of that time, python-consul among them, still send it. */
function putOrGet(handler: ConsulHandler): Pick<ConsulRoute, 'methods' | 'getWrites'> {
  return { methods: { PUT: handler, GET: handler }, getWrites: true };
}

/** Returns the name and address of a machine; for a machine that is not in the catalog (yet) only its id. */
function describe({ parts: { catalog } }: ConsulRequest, machine: string) {
  const { name = machine, address = '' } = catalog.snapshot.nodes.get(machine) ?? {};
  return { name, address };
}

function memberShape({ name, address }: { readonly name: string; readonly address: string }, datacenter: string) {
  const versions = { ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2, DelegateMin: 2, DelegateMax: 5, DelegateCur: 4 };
  return { Name: name, Addr: address, Port: 8301, Tags: { dc: datacenter, role: 'consul' }, Status: 1, ...versions };
}

function self(request: ConsulRequest): ConsulResponse {
  const { machine, datacenter } = request.parts;
  const own = describe(request, machine);
  const { uuid = '', meta = {} } = request.parts.catalog.snapshot.nodes.get(machine) ?? {};
  return json({
    Config: {
      Datacenter: datacenter,
      NodeName: own.name,
      NodeID: uuid,
      Server: true,
      Revision: '',
      Version: API_VERSION,
    },
    Member: memberShape(own, datacenter),
    Meta: meta,
    Stats: {},
    Coord: null,
  });
}

function members({ parts: { catalog, datacenter } }: ConsulRequest): ConsulResponse {
  return json(machinesOf(catalog.snapshot).map((node) => memberShape(node, datacenter)));
}

function services({ parts: { local } }: ConsulRequest): ConsulResponse {
  return json(Object.fromEntries([...local.instances()].map(([id, instance]) => [id, serviceShape(instance)])));
}

function service({ rest, parts: { local } }: ConsulRequest): ConsulResponse {
  const instance = local.instances().get(rest);
  return instance ? json(serviceShape(instance)) : text(404, `unknown service ID: ${rest}`);
}

function checks(request: ConsulRequest): ConsulResponse {
  const { name } = describe(request, request.parts.machine);
  const ofInstances = [...request.parts.local.instances().values()].flatMap((instance) =>
    instance.checks.map((check) => checkShape(check, instance, name)),
  );
  const all = [...nodeChecksOf(request).map((check) => nodeCheckShape(check, name)), ...ofInstances];
  return json(Object.fromEntries(all.map((shape) => [shape.CheckID, shape])));
}

async function register(request: ConsulRequest): Promise<ConsulResponse> {
  const registration = readRegistration(await readJson(request));
  await request.parts.local.register(registration, { keepChecks: !isSet(request.query, 'replace-existing-checks') });
  return NOTHING;
}

async function deregister({ rest, parts: { local } }: ConsulRequest): Promise<ConsulResponse> {
  if (await local.deregister(rest)) return NOTHING;
  const source = local.instances().get(rest)?.source;
  if (source !== undefined)
    throw new ConsulError(
      400,
      `Service ${JSON.stringify(rest)} was not registered here but comes of a ${source}: stop that`,
    );
  return text(
    404,
    `Unknown service ID ${JSON.stringify(rest)}. Ensure that the service ID is passed, not the service name.`,
  );
}

async function maintenance({ rest, query, parts: { local } }: ConsulRequest): Promise<ConsulResponse> {
  const reason = reasonOf(query, 'service');
  if (await local.setMaintenance(rest, reason)) return NOTHING;
  return text(
    404,
    `Unknown service ID ${JSON.stringify(rest)}. Ensure that the service ID is passed, not the service name.`,
  );
}

async function nodeMaintenance({ query, parts: { local } }: ConsulRequest): Promise<ConsulResponse> {
  await local.setMaintenance('', reasonOf(query, 'node'));
  return NOTHING;
}

/** Returns the reason for maintenance; undefined when maintenance ends. */
function reasonOf(query: URLSearchParams, what: string): string | undefined {
  const enable = query.get('enable');
  if (enable === null || enable === '') throw new ConsulError(400, 'Missing value for enable');
  if (!/^(1|t|true|0|f|false)$/i.test(enable))
    throw new ConsulError(400, `Invalid value for enable: ${JSON.stringify(enable)} is neither true nor false`);
  if (!isSet(query, 'enable')) return undefined;
  return query.get('reason') || `Maintenance mode is enabled for this ${what}.`;
}

const STATUS_CODES: Readonly<Record<Health, number>> = { passing: 200, warning: 429, critical: 503 };

function healthEntry(request: ConsulRequest, instance: ServiceInstance) {
  const { name } = describe(request, request.parts.machine);
  const nodeChecks = nodeChecksOf(request);
  const shapes = [
    ...nodeChecks.map((check) => nodeCheckShape(check, name)),
    ...instance.checks.map((check) => checkShape(check, instance, name)),
  ];
  return {
    AggregatedStatus: healthOf({ ...instance, nodeChecks }),
    Service: serviceShape(instance),
    Checks: shapes,
  };
}

function nodeChecksOf({ parts: { local } }: ConsulRequest): readonly ServiceCheck[] {
  return [...local.nodeChecks().values()];
}

function healthOfId(request: ConsulRequest): ConsulResponse {
  const instance = request.parts.local.instances().get(request.rest);
  if (!instance) return text(404, `ServiceId ${request.rest} not found`);
  const health = healthOf({ ...instance, nodeChecks: nodeChecksOf(request) });
  if (request.query.get('format') === 'text') return text(STATUS_CODES[health], health);
  return json(healthEntry(request, instance), {}, STATUS_CODES[health]);
}

function healthOfName(request: ConsulRequest): ConsulResponse {
  const named = [...request.parts.local.instances().values()].filter(({ name }) => name === request.rest);
  if (named.length === 0) return text(404, `ServiceName ${request.rest} not found`);
  const checks = named.flatMap((instance) => instance.checks);
  const health = healthOf({ checks, nodeChecks: nodeChecksOf(request) });
  if (request.query.get('format') === 'text') return text(STATUS_CODES[health], health);
  const entries = named.map((instance) => healthEntry(request, instance));
  return json(entries, {}, STATUS_CODES[health]);
}

async function registerCheck(request: ConsulRequest): Promise<ConsulResponse> {
  const body = (await readJson(request)) ?? {};
  const { service: instance, name } = serviceOfCheck(body);
  if (name === '') throw new ConsulError(400, 'Missing check name');
  if (await request.parts.local.registerCheck(instance, readCheck(body, { id: name, name }))) return NOTHING;
  throw new ConsulError(500, `ServiceID ${JSON.stringify(instance)} does not exist`);
}

async function deregisterCheck({ rest, parts: { local } }: ConsulRequest): Promise<ConsulResponse> {
  return (await local.deregisterCheck(rest)) ? NOTHING : text(500, `Unknown check ${JSON.stringify(rest)}`);
}

function note({ rest, query, parts: { local } }: ConsulRequest, status: Health): ConsulResponse {
  return local.report(rest, status, query.get('note') ?? '') ? NOTHING : unknownCheck(rest);
}

async function update(request: ConsulRequest): Promise<ConsulResponse> {
  const fields = new JsonFields((await readJson(request)) ?? {}, ['Status', 'Output', 'CheckID', 'Namespace']);
  const status = readStatus(fields.text('Status'));
  return request.parts.local.report(request.rest, status, fields.text('Output')) ? NOTHING : unknownCheck(request.rest);
}

function unknownCheck(id: string): ConsulResponse {
  return text(500, `CheckID ${JSON.stringify(id)} does not have associated TTL`);
}
