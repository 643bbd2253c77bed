import type { Context, Hono } from 'hono';
import { FlotillaError } from '../lib/index.ts';
import { answerJson, answerPrepared } from './answers.ts';
import { type ApiParts, flag, unitName } from './api-parts.ts';
import { cutPage, pageOf } from './page-token.ts';
import { statesOf } from './present.ts';

/** /state: what machines report of their units. */
export function stateRoutes(app: Hono, parts: ApiParts): void {
  app.get('/state', (c) => listStates(c, parts));
  app.get('/state/:name', (c) => getState(c, parts));
}

async function listStates(c: Context, { reader, options }: ApiParts): Promise<Response> {
  const page = pageOf(c.req.queries('nextPageToken') ?? [], options.tokenLimit);
  // fleet reads an empty filter as none.
  const only = { unit: c.req.query('unitName') || undefined, machine: c.req.query('machineID') || undefined };
  const all = flag(c, 'all');
  const snapshot = await reader.view.read();
  const cut = () => {
    const states = statesOf(snapshot, only);
    const { items, ...rest } = all ? { items: states } : cutPage(states, page);
    return { states: items, ...rest };
  };
  if (only.unit !== undefined || only.machine !== undefined) return answerJson(cut());
  const key = all ? 'states' : `states page ${page.page}`;
  const prepared = reader.recall(key, ['status']) ?? reader.prepare(key, ['status'], JSON.stringify(cut()));
  return answerPrepared(prepared, c.req.header('if-none-match'));
}

async function getState(c: Context, { reader }: ApiParts): Promise<Response> {
  const [state] = statesOf(await reader.view.read(), { unit: unitName(c) });
  if (state === undefined) throw new FlotillaError('not-found', 'unit state does not exist');
  return answerJson(state);
}
