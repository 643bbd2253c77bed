import type { Context, Hono } from 'hono';
import { FlotillaError } from '../lib/index.ts';
import { type ApiParts, flag } from './api-parts.ts';
import { endWithClient } from './node-bindings.ts';
import { textStream } from './text-stream.ts';

const MAX_HISTORY = 1000;
/** When a browser comes back; spread, so that not all come back to a restarted fleetd at once. */
const RETRY_MS = 1000;
const HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };

/** GET /events. */
export function eventRoutes(app: Hono, parts: ApiParts): void {
  app.get('/events', (c) => streamEvents(c, parts));
}

async function streamEvents(c: Context, { hub, options }: ApiParts): Promise<Response> {
  const units = c.req.queries('unit');
  const history = historyOf(c.req.query('history'));
  const request = {
    units: units === undefined ? undefined : new Set(units),
    after: revisionOf(c.req.query('after') ?? c.req.header('last-event-id')),
    history: Math.min(history, MAX_HISTORY),
    historyIsCut: history > MAX_HISTORY,
    machine: c.req.query('machine'),
    sinceMs: timeOf(c, 'since'),
    untilMs: timeOf(c, 'until'),
    happened: flag(c, 'happened'),
    withUnits: c.req.query('units') !== 'false',
    withServices: flag(c, 'services'),
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

function timeOf(c: Context, name: 'since' | 'until'): number | undefined {
  const text = c.req.query(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,16}$/.test(text))
    throw new FlotillaError('invalid', `${name}=${text} is no time: use milliseconds since 1970`);
  return Number(text);
}

function historyOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,9}$/.test(text)) throw new FlotillaError('invalid', `history=${text} is not a number of events`);
  return Number(text);
}
