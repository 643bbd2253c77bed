import type { KvOperation, KvPair } from '../kv/index.ts';
import { blocking, indexHeaders, inKv } from './blocking.ts';
import {
  ConsulError,
  type ConsulRequest,
  type ConsulResponse,
  type ConsulRoute,
  json,
  jsonBody,
  readBody,
  refuseLargeTree,
} from './exchange.ts';

export function kvRoutes(): ConsulRoute[] {
  return [{ path: '/v1/kv/', deep: true, methods: { GET: get, PUT: put, DELETE: remove } }];
}

/** Writes a pair as JSON by hand: its flags have 64 bits, more than a JavaScript number holds. */
export function pairJson(pair: KvPair, withValue = true): string {
  const { lockIndex, key, flags, value, session, createIndex, modifyIndex } = pair;
  const shown = withValue && value !== '' ? `"${value}"` : 'null';
  const holder = session === undefined ? '' : `"Session":${JSON.stringify(session)},`;
  return (
    `{"LockIndex":${lockIndex},"Key":${JSON.stringify(key)},"Flags":${flags},"Value":${shown},${holder}` +
    `"CreateIndex":${createIndex},"ModifyIndex":${modifyIndex}}`
  );
}

function get(request: ConsulRequest): Promise<ConsulResponse> {
  const { query } = request;
  if (query.has('keys')) return getKeys(request);
  return query.has('recurse') ? getTree(request) : getOne(request);
}

async function getOne(request: ConsulRequest): Promise<ConsulResponse> {
  const { rest: key, parts, query } = request;
  if (key === '') throw new ConsulError(400, 'Missing key name');
  const found = await blocking(
    request,
    inKv(request, { key }, async () => {
      const { pair, revision } = await parts.kv.get(key);
      return { value: pair, revision, modified: pair ? [pair.modifyIndex] : [] };
    }),
  );
  const headers = indexHeaders(found);
  if (!found.value) return { status: 404, body: '', headers };
  if (!query.has('raw')) return jsonBody(`[${pairJson(found.value)}]`, headers);
  const type = {
    'Content-Type': 'text/plain',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': 'sandbox',
  };
  return { status: 200, body: Buffer.from(found.value.value, 'base64'), headers: { ...headers, ...type } };
}

async function getTree(request: ConsulRequest): Promise<ConsulResponse> {
  const { rest: prefix, parts } = request;
  const found = await blocking(
    request,
    inKv(request, { prefix }, async () => {
      const { pairs, revision } = await parts.kv.list(prefix).catch(refuseLargeTree);
      return { value: pairs, revision, modified: pairs.map(({ modifyIndex }) => modifyIndex) };
    }),
  );
  const headers = indexHeaders(found);
  if (found.value.length === 0) return { status: 404, body: '', headers };
  return jsonBody(`[${found.value.map((pair) => pairJson(pair)).join(',')}]`, headers);
}

async function getKeys(request: ConsulRequest): Promise<ConsulResponse> {
  const { rest: prefix, query, parts } = request;
  const found = await blocking(
    request,
    inKv(request, { prefix }, async () => {
      const { keys, revision } = await parts.kv.keys(prefix);
      return { value: keys, revision, modified: keys.map(({ modifyIndex }) => modifyIndex) };
    }),
  );
  const headers = indexHeaders(found);
  // The empty prefix exists even in an empty store.
  if (found.value.length === 0 && prefix !== '') return { status: 404, body: '', headers };
  const separator = query.get('separator') ?? '';
  const shortened = (key: string) => {
    const end = separator === '' ? -1 : key.indexOf(separator, prefix.length);
    return end < 0 ? key : key.slice(0, end + separator.length);
  };
  return json([...new Set(found.value.map(({ key }) => shortened(key)))], headers);
}

/** The largest unsigned 64-bit number. */
const MAX_UINT64 = 2n ** 64n - 1n;

/** Reads a number from the query; throws a ConsulError of 500 for anything else, as Consul does. */
function unsigned(query: URLSearchParams, name: string): bigint {
  const given = query.get(name) ?? '0';
  if (/^\d{1,20}$/.test(given) && BigInt(given) <= MAX_UINT64) return BigInt(given);
  throw new ConsulError(500, `strconv.ParseUint: parsing ${JSON.stringify(given)}: invalid syntax`);
}

function refuseTogether(query: URLSearchParams, names: readonly string[]): void {
  const given = names.filter((name) => query.has(name));
  if (given.length > 1) throw new ConsulError(400, `Conflicting flags: ${given.join(', ')}`);
}

async function put(request: ConsulRequest): Promise<ConsulResponse> {
  const { rest: key, query } = request;
  if (key === '') throw new ConsulError(400, 'Missing key name');
  refuseTogether(query, ['cas', 'acquire', 'release']);
  const flags = unsigned(query, 'flags');
  const index = Number(unsigned(query, 'cas'));
  const value = (await readBody(request)).toString('base64');
  const pair = { key, value, flags };
  const operation = (): KvOperation => {
    if (query.has('cas')) return { verb: 'cas', ...pair, index };
    if (query.has('acquire')) return { verb: 'lock', ...pair, session: query.get('acquire')! };
    if (query.has('release')) return { verb: 'unlock', ...pair, session: query.get('release')! };
    return { verb: 'set', ...pair };
  };
  return done(request, operation());
}

function remove(request: ConsulRequest): Promise<ConsulResponse> {
  const { rest: key, query } = request;
  refuseTogether(query, ['recurse', 'cas']);
  if (query.has('recurse')) return done(request, { verb: 'delete-tree', key });
  if (key === '') throw new ConsulError(400, 'Missing key name');
  if (!query.has('cas')) return done(request, { verb: 'delete', key });
  return done(request, { verb: 'delete-cas', key, index: Number(unsigned(query, 'cas')) });
}

/** Responds with `true` when the operation was done, `false` when the state of the key forbade it. */
async function done({ parts }: ConsulRequest, operation: KvOperation): Promise<ConsulResponse> {
  const outcome = await parts.kv.transact([operation]);
  if (outcome.ok) return json(true);
  const invalid = outcome.failures.find(({ kind }) => kind === 'invalid');
  if (invalid) throw new ConsulError(500, invalid.message);
  return json(false);
}
