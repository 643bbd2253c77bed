import type { Context, Hono } from 'hono';
import type { Snapshot } from '../cluster/index.ts';
import { FlotillaError } from '../lib/index.ts';
import { answerJson, answerPrepared } from './answers.ts';
import { type ApiParts, flag, unitName } from './api-parts.ts';
import { cutPage, pageOf } from './page-token.ts';
import { statesOf } from './present.ts';
import type { ApiUnitState } from './schema.ts';

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
    const { items, ...rest } = all ? { items: withDestroyed(states, snapshot) } : cutPage(states, page);
    return { states: items, ...rest };
  };
  if (only.unit !== undefined || only.machine !== undefined) return answerJson(cut());
  const key = all ? 'states' : `states page ${page.page}`;
  const shown = all ? (['status', 'unit'] as const) : (['status'] as const);
  const prepared = reader.recall(key, shown) ?? reader.prepare(key, shown, JSON.stringify(cut()));
  return answerPrepared(prepared, c.req.header('if-none-match'));
}

/** A destroyed unit runs on for a moment, until its requests have been answered and its machine has stopped it. */
function withDestroyed(states: readonly ApiUnitState[], { units }: Snapshot): ApiUnitState[] {
  return states.map((state) => (units.has(state.name) ? state : { ...state, destroyed: true }));
}

async function getState(c: Context, { reader }: ApiParts): Promise<Response> {
  const [state] = statesOf(await reader.view.read(), { unit: unitName(c) });
  if (state === undefined) throw new FlotillaError('not-found', 'unit state does not exist');
  return answerJson(state);
}
