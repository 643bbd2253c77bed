import type { Snapshot } from '../cluster/index.ts';
import { FlotillaError } from '../lib/index.ts';
import type { Prepared } from './answers.ts';
import type { ApiParts } from './api-parts.ts';
import type { Asked, Handlers } from './call-handlers.ts';
import { cutPage, pageOf } from './page-token.ts';
import { statesOf } from './present.ts';
import type { ApiUnitState, unitStateCalls } from './shapes/index.ts';

/** Machines' reports of their units. */
export function stateHandlers(parts: ApiParts): Handlers<typeof unitStateCalls> {
  return {
    List: ({ query }) => listStates(query, parts),
    Get: async ({ path }) => {
      const [state] = statesOf(await parts.reader.view.read(), { unit: path.unitName });
      if (state === undefined) throw new FlotillaError('not-found', 'unit state does not exist');
      return state;
    },
  };
}

async function listStates(
  { nextPageToken, all, unitName, machineID }: Asked<typeof unitStateCalls.List>['query'],
  { reader, options }: ApiParts,
): Promise<Prepared | { readonly states: readonly ApiUnitState[] }> {
  const page = pageOf(nextPageToken, options.tokenLimit);
  // fleet reads an empty filter as none.
  const only = { unit: unitName || undefined, machine: machineID || undefined };
  const snapshot = await reader.view.read();
  const cut = () => {
    const states = statesOf(snapshot, only);
    const { items, ...rest } = all ? { items: withDestroyed(states, snapshot) } : cutPage(states, page);
    return { states: items, ...rest };
  };
  if (only.unit !== undefined || only.machine !== undefined) return cut();
  const key = all ? 'states' : `states page ${page.page}`;
  const shown = all ? (['status', 'unit'] as const) : (['status'] as const);
  return reader.recall(key, shown) ?? reader.prepare(key, shown, JSON.stringify(cut()));
}

/** A destroyed unit runs on for a moment, until its requests have been answered and its machine has stopped it. */
function withDestroyed(states: readonly ApiUnitState[], { units }: Snapshot): ApiUnitState[] {
  return states.map((state) => (units.has(state.name) ? state : { ...state, destroyed: true }));
}
