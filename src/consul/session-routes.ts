import type { NewSession, Session } from '../kv/index.ts';
import { parseGoDuration } from '../lib/index.ts';
import { healthOf } from '../services/index.ts';
import { blocking, indexHeaders, inKv } from './blocking.ts';
import { checksOn, nodeNamed } from './catalog-lookups.ts';
import { ConsulError, type ConsulRequest, type ConsulResponse, type ConsulRoute, json, text } from './exchange.ts';
import { JsonFields, malformed, readJson } from './json-fields.ts';
import { NODE_CHECK } from './present.ts';

const FIELDS = 'LockDelay Node Name Checks NodeChecks ServiceChecks Behavior TTL Namespace ID'.split(' ');

const DEFAULT_LOCK_DELAY_MS = 15_000;
const MAX_LOCK_DELAY_MS = 60_000;
const MIN_TTL_MS = 10_000;
const MAX_TTL_MS = 86_400_000;
/** Consul takes a smaller number for seconds, a greater one for nanoseconds. */
const SMALLEST_NANOSECONDS = 1000;

export function sessionRoutes(): ConsulRoute[] {
  return [
    { path: '/v1/session/create', methods: { PUT: create } },
    { path: '/v1/session/destroy/', deep: 'session', methods: { PUT: destroy } },
    { path: '/v1/session/renew/', deep: 'session', methods: { PUT: renew } },
    { path: '/v1/session/info/', deep: 'session', methods: { GET: (request) => list(request, byId) } },
    { path: '/v1/session/node/', deep: 'node name', methods: { GET: (request) => list(request, byNode) } },
    { path: '/v1/session/list', methods: { GET: (request) => list(request, () => true) } },
  ];
}

function sessionShape(session: Session, { parts: { catalog } }: ConsulRequest) {
  const { id, name, machine, checks, lockDelayMs, behavior, ttlMs, createIndex, modifyIndex } = session;
  return {
    ID: id,
    Name: name,
    Node: catalog.snapshot.nodes.get(machine)?.name ?? machine,
    Checks: checks,
    NodeChecks: checks.filter((check) => check === NODE_CHECK),
    ServiceChecks: checks.some((check) => check !== NODE_CHECK)
      ? checks.filter((check) => check !== NODE_CHECK).map((check) => ({ ID: check, Namespace: '' }))
      : null,
    LockDelay: lockDelayMs * 1e6,
    Behavior: behavior,
    TTL: ttlMs === 0 ? '' : `${ttlMs / 1000}s`,
    CreateIndex: createIndex,
    ModifyIndex: modifyIndex,
  };
}

async function list(
  request: ConsulRequest,
  wanted: (session: Session, request: ConsulRequest) => boolean,
): Promise<ConsulResponse> {
  const found = await blocking(
    request,
    inKv(request, { sessions: true }, async () => {
      const { sessions, revision } = await request.parts.kv.sessions.list();
      return { value: sessions, revision, modified: sessions.map(({ modifyIndex }) => modifyIndex) };
    }),
  );
  const shown = found.value.filter((session) => wanted(session, request));
  return json(
    shown.map((session) => sessionShape(session, request)),
    indexHeaders(found),
  );
}

function byId({ id }: Session, { rest }: ConsulRequest): boolean {
  return id === rest;
}

function byNode({ machine }: Session, { rest, parts: { catalog } }: ConsulRequest): boolean {
  return machine === nodeNamed(catalog.snapshot, rest)?.id;
}

async function create(request: ConsulRequest): Promise<ConsulResponse> {
  const { kv, catalog } = request.parts;
  const session = readSession((await readJson(request)) ?? {}, request);
  const node = catalog.snapshot.nodes.get(session.machine);
  if (!node) throw new ConsulError(500, 'Missing node registration');
  const there = new Map(checksOn(catalog.snapshot, node).map((check) => [check.id, check]));
  for (const id of session.checks) {
    if (id === NODE_CHECK && node.kind === 'machine') continue;
    const check = there.get(id);
    if (!check) throw new ConsulError(500, `Missing check '${id}' registration`);
    if (healthOf({ checks: [check] }) === 'critical') throw new ConsulError(500, `Check '${id}' is in critical state`);
  }
  return json({ ID: await kv.sessions.create(session) });
}

function readSession(body: unknown, { parts: { catalog, machine } }: ConsulRequest): NewSession {
  const fields = new JsonFields(body, FIELDS);
  const node = fields.text('Node');
  const behavior = fields.text('Behavior') || 'release';
  if (behavior !== 'release' && behavior !== 'delete')
    throw new ConsulError(500, `Invalid Behavior setting '${behavior}'`);
  return {
    name: fields.text('Name'),
    machine: node === '' ? machine : (nodeNamed(catalog.snapshot, node)?.id ?? ''),
    checks: readChecks(fields),
    behavior,
    lockDelayMs: readLockDelay(fields),
    ttlMs: readTtl(fields),
  };
}

function readChecks(fields: JsonFields): string[] {
  const several = fields.raw('ServiceChecks') ?? [];
  if (!Array.isArray(several)) throw malformed('ServiceChecks must be a list');
  const ofServices = several.map((check) => new JsonFields(check, ['ID', 'Namespace']).text('ID'));
  const given = [...fields.texts('Checks'), ...fields.texts('NodeChecks')];
  // By default a session ends with its machine.
  const ofNode = fields.has('Checks') || fields.has('NodeChecks') ? given : [NODE_CHECK];
  return [...new Set([...ofNode, ...ofServices])];
}

function readLockDelay(fields: JsonFields): number {
  const value = fields.raw('LockDelay');
  if (value === undefined || value === '') return DEFAULT_LOCK_DELAY_MS;
  const ms =
    typeof value === 'number'
      ? value < SMALLEST_NANOSECONDS
        ? value * 1000
        : value / 1e6
      : parseGoDuration(String(value));
  if (ms === undefined || ms < 0) throw malformed(`LockDelay: ${JSON.stringify(value)} is not a duration like 15s`);
  return Math.min(ms, MAX_LOCK_DELAY_MS);
}

function readTtl(fields: JsonFields): number {
  const given = fields.text('TTL');
  if (given === '') return 0;
  const ms = parseGoDuration(given);
  if (ms === undefined) throw new ConsulError(400, `Session TTL '${given}' invalid: it is not a duration like 15s`);
  if (ms !== 0 && (ms < MIN_TTL_MS || ms > MAX_TTL_MS))
    throw new ConsulError(400, `Invalid Session TTL '${given}', must be between [10s=24h0m0s]`);
  return ms;
}

async function destroy({ rest, parts: { kv } }: ConsulRequest): Promise<ConsulResponse> {
  await kv.sessions.destroy(rest);
  return json(true);
}

async function renew(request: ConsulRequest): Promise<ConsulResponse> {
  const session = await request.parts.kv.sessions.renew(request.rest);
  if (!session) return text(404, `Session id '${request.rest}' not found`);
  return json([sessionShape(session, request)]);
}
