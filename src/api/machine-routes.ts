import type { Context, Hono } from 'hono';
import { FlotillaError } from '../lib/index.ts';
import { answerJson, answerPrepared } from './answers.ts';
import { type ApiParts, flag } from './api-parts.ts';
import { machinesPatchBody, metadataValueBody, readBodyAs } from './bodies.ts';
import { cutPage, pageOf } from './page-token.ts';
import { addressOf, machinesOf } from './present.ts';
import { readJsonBody } from './request-body.ts';
import type { ApiLeader } from './schema.ts';

/** /machines and /leader. */
export function machineRoutes(app: Hono, parts: ApiParts): void {
  app.get('/machines', (c) => listMachines(c, parts));
  app.patch('/machines', (c) => patchMachines(c, parts));
  app.get('/leader', () => getLeader(parts));
}

async function listMachines(c: Context, { reader, options }: ApiParts): Promise<Response> {
  const page = pageOf(c.req.queries('nextPageToken') ?? [], options.tokenLimit);
  const all = flag(c, 'all');
  const snapshot = await reader.view.read();
  const key = all ? 'machines' : `machines page ${page.page}`;
  const build = () => {
    const machines = machinesOf(snapshot);
    const { items, ...rest } = all ? { items: machines } : cutPage(machines, page);
    return JSON.stringify({ machines: items, ...rest });
  };
  const prepared = reader.recall(key, ['machine']) ?? reader.prepare(key, ['machine'], build());
  return answerPrepared(prepared, c.req.header('if-none-match'));
}

async function patchMachines(c: Context, { reader, options }: ApiParts): Promise<Response> {
  const changes = readBodyAs(machinesPatchBody, await readJsonBody(c.req.raw)).map(metadataChange);
  if (changes.length > 0) await reader.view.call(() => options.cluster.setMetadata(changes));
  for (const { machine, key, value } of changes) options.log.info('Machine metadata changed', { machine, key, value });
  // fleet's own tests ask for this type on the empty answer.
  return new Response(null, { status: 204, headers: { 'Content-Type': 'application/json' } });
}

/** One operation of the patch, refused in fleet's words. */
function metadataChange({ op, path, value }: { op?: unknown; path?: unknown; value?: unknown }) {
  if (op !== 'add' && op !== 'remove' && op !== 'replace') {
    throw new FlotillaError('invalid', 'invalid op: expect add, remove, or replace');
  }
  const [, machine, key] = /^\/([A-Za-z0-9_.:-]+)\/metadata\/([A-Za-z0-9_.-]+)$/.exec(String(path)) ?? [];
  if (machine === undefined || key === undefined) {
    throw new FlotillaError('invalid', 'machine metadata path invalid');
  }
  if (op === 'remove') return { machine, key, value: undefined };
  const text = metadataValue(value);
  if (text === undefined) throw new FlotillaError('invalid', 'invalid value: add and replace require a value');
  return { machine, key, value: text };
}

/** fleet's documentation shows a string, its decoder wanted `{"value":"x"}`, in any case. */
function metadataValue(value: unknown): string | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const text = isObject ? metadataValueBody.parse(value).value : value;
  return typeof text === 'string' && text !== '' && text.isWellFormed() ? text : undefined;
}

async function getLeader({ reader }: ApiParts): Promise<Response> {
  const snapshot = await reader.view.read();
  const { leader } = snapshot;
  if (leader === undefined) throw new FlotillaError('not-found', 'no machine leads the cluster at the moment');
  const { machine, sinceMs } = leader;
  return answerJson({ machineID: machine, address: addressOf(snapshot, machine), sinceMs } satisfies ApiLeader);
}
