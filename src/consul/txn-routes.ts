import type { KvOperation } from '../kv/index.ts';
import { assertModest } from '../lib/index.ts';
import {
  ConsulError,
  type ConsulRequest,
  type ConsulResponse,
  type ConsulRoute,
  MAX_BODY_BYTES,
  readBody,
  refuseLargeTree,
} from './exchange.ts';
import { JsonFields, malformed } from './json-fields.ts';
import { pairJson } from './kv-routes.ts';

const MAX_OPERATIONS = 64;
/** Limit for the characters of values in one response: several operations may read the same large tree. */
const MAX_VALUE_CHARS = 16 << 20;
const KV_FIELDS = 'Verb Key Value Flags Index Session Namespace'.split(' ');

export function txnRoutes(): ConsulRoute[] {
  return [{ path: '/v1/txn', methods: { PUT: txn } }];
}

async function txn(request: ConsulRequest): Promise<ConsulResponse> {
  const operations = readOperations(await readBody(request));
  const outcome = await request.parts.kv.transact(operations).catch(refuseLargeTree);
  const headers = { 'Content-Type': 'application/json' };
  if (!outcome.ok) {
    const errors = outcome.failures.map(({ operation, message }) => ({ OpIndex: operation, What: message }));
    return { status: 409, body: JSON.stringify({ Results: null, Errors: errors }), headers };
  }
  const chars = outcome.pairs.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  if (chars > MAX_VALUE_CHARS)
    throw new ConsulError(413, `The response would hold more than ${MAX_VALUE_CHARS} bytes; read fewer keys at a time`);
  const results = outcome.pairs.map((pair) => `{"KV":${pairJson(pair)}}`);
  return { status: 200, body: `{"Results":[${results.join(',')}],"Errors":null}`, headers };
}

function readOperations(body: Buffer): KvOperation[] {
  const list = parseExactly(body.toString('utf8'));
  if (!Array.isArray(list)) throw malformed('a list of operations is expected');
  if (list.length > MAX_OPERATIONS)
    throw new ConsulError(413, `Transaction contains too many operations (${list.length} > ${MAX_OPERATIONS})`);
  return list.map(readOperation);
}

/** Parses JSON with every integer as a bigint: flags have 64 bits, which are 20 digits. */
function parseExactly(text: string): unknown {
  const exact = (_: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && /^\d{1,20}$/.test(context?.source ?? '') ? BigInt(context!.source!) : value;
  try {
    assertModest(text);
    return JSON.parse(text, exact);
  } catch (error) {
    throw malformed((error as Error).message);
  }
}

function readOperation(value: unknown): KvOperation {
  const kinds = new JsonFields(value, ['KV', 'Node', 'Service', 'Check', 'Intention']);
  if (!kinds.has('KV')) throw new ConsulError(400, 'Transactions of anything but KV are not supported');
  const fields = new JsonFields(kinds.raw('KV'), KV_FIELDS);
  const [verb, key, encoded, session] = ['Verb', 'Key', 'Value', 'Session'].map((name) => fields.text(name)) as [
    string,
    string,
    string,
    string,
  ];
  const decoded = Buffer.from(encoded, 'base64');
  if (decoded.toString('base64') !== encoded) throw malformed(`Value for key ${JSON.stringify(key)} is not base64`);
  if (decoded.length > MAX_BODY_BYTES) throw new ConsulError(413, `Value for key ${JSON.stringify(key)} is too large`);
  const pair = { key, value: decoded.toString('base64'), flags: bigintOf(fields, 'Flags') };
  const index = Number(bigintOf(fields, 'Index'));
  switch (verb) {
    case 'set':
      return { verb, ...pair };
    case 'cas':
      return { verb, ...pair, index };
    case 'lock':
    case 'unlock':
      return { verb, ...pair, session };
    case 'get':
    case 'get-tree':
    case 'check-not-exists':
    case 'delete':
    case 'delete-tree':
      return { verb, key };
    case 'check-index':
    case 'delete-cas':
      return { verb, key, index };
    case 'check-session':
      return { verb, key, session };
    default:
      throw new ConsulError(400, `unknown KV verb ${JSON.stringify(verb)}`);
  }
}

function bigintOf(fields: JsonFields, name: string): bigint {
  const value = fields.raw(name) ?? 0n;
  if (typeof value === 'bigint' && value < 2n ** 64n) return value;
  throw malformed(`${name} must be an unsigned number of 64 bits`);
}
