import { FlotillaError } from '../lib/index.ts';
import type { ApiParts } from './api-parts.ts';
import type { Asked, Handlers } from './call-handlers.ts';
import { endWithClient } from './node-bindings.ts';
import type { eventCall } from './shapes/index.ts';
import { textStream } from './text-stream.ts';

const MAX_HISTORY = 1000;
/** When a browser comes back; spread, so that not all come back to a restarted fleetd at once. */
const RETRY_MS = 1000;
const HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };

export function eventHandler(parts: ApiParts): Handlers<typeof eventCall> {
  return { Events: (asked) => streamEvents(asked, parts) };
}

async function streamEvents(
  { query, context: c }: Asked<typeof eventCall.Events>,
  { hub, options }: ApiParts,
): Promise<Response> {
  const { unit, history, machine, happened } = query;
  const request = {
    units: unit === undefined ? undefined : new Set(unit),
    after: revisionOf(query.after ?? c.req.header('last-event-id')),
    history: Math.min(history, MAX_HISTORY),
    historyIsCut: history > MAX_HISTORY,
    machine,
    sinceMs: query.since,
    untilMs: query.until,
    happened,
    withUnits: query.units,
    withServices: query.services,
  };
  if (c.req.method === 'HEAD') return new Response(null, { headers: HEADERS });
  endWithClient(c);
  const hangup = new AbortController();
  const signal = AbortSignal.any([hangup.signal, c.req.raw.signal]);
  const stream = await hub.open({ ...request, signal }).catch((error: unknown) => {
    hangup.abort();
    throw error;
  });
  const source = {
    next: async (): Promise<IteratorResult<string>> => {
      const value = await stream.next();
      return value === undefined ? { done: true, value } : { done: false, value };
    },
  };
  const first = Promise.resolve({
    done: false,
    value: `retry: ${Math.round(RETRY_MS * (0.75 + options.random.float() / 2))}\n\n`,
  });
  // Not ahead: what is owed to a client that does not read keeps being folded.
  const body = textStream(source, first, {
    end: () => hangup.abort(),
    broken: () => '',
    aheadBytes: 0,
    clock: options.clock,
  });
  return new Response(body, { headers: HEADERS });
}

function revisionOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,16}$/.test(text))
    throw new FlotillaError('invalid', `after=${text} is no revision: use the last id received`);
  return Number(text);
}
