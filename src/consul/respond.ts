import type { IncomingMessage } from 'node:http';
import { FlotillaError, messageOf, type RefuseForeignPages, refuseForeignPages, rowOf } from '../lib/index.ts';
import { agentRoutes } from './agent-routes.ts';
import { catalogRoutes } from './catalog-routes.ts';
import {
  ConsulError,
  type ConsulHandler,
  type ConsulParts,
  type ConsulResponse,
  type ConsulRoute,
  isSet,
  requireDatacenter,
  text,
} from './exchange.ts';
import { healthRoutes } from './health-routes.ts';
import { kvRoutes } from './kv-routes.ts';
import { sessionRoutes } from './session-routes.ts';
import { statusRoutes } from './status-routes.ts';
import { txnRoutes } from './txn-routes.ts';

/** Routes a request to its handler and resolves with the response; never rejects. */
export type Respond = (incoming: IncomingMessage, gone: () => AbortSignal) => Promise<ConsulResponse>;

export function createRespond(parts: ConsulParts): Respond {
  const routes = [
    ...agentRoutes(),
    ...catalogRoutes(),
    ...healthRoutes(),
    ...kvRoutes(),
    ...sessionRoutes(),
    ...statusRoutes(),
    ...txnRoutes(),
  ];
  const find = finderOf(routes);
  const { pages = refuseForeignPages() } = parts;
  return async (incoming, gone) => {
    try {
      return await respond({ parts, find, pages, incoming, gone });
    } catch (error) {
      return errorAnswer(error, incoming, parts);
    }
  };
}

type Find = (path: string) => { readonly route: ConsulRoute; readonly rest: string } | undefined;

/** Matches the whole path, else the deep route with the longest matching prefix. */
function finderOf(routes: readonly ConsulRoute[]): Find {
  const whole = new Map(routes.filter(({ deep }) => !deep).map((route) => [route.path, route]));
  const deep = new Map(routes.filter((route) => route.deep).map((route) => [route.path, route]));
  return (path) => {
    const exact = whole.get(path);
    if (exact) return { route: exact, rest: '' };
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const route = deep.get(path.slice(0, slash + 1));
      if (route) return { route, rest: path.slice(slash + 1) };
    }
    return undefined;
  };
}

async function respond(asked: {
  readonly parts: ConsulParts;
  readonly find: Find;
  readonly pages: RefuseForeignPages;
  readonly incoming: IncomingMessage;
  readonly gone: () => AbortSignal;
}): Promise<ConsulResponse> {
  const { parts, find, pages, incoming, gone } = asked;
  const url = withoutOrigin(incoming.url ?? '/');
  const mark = url.indexOf('?');
  const found = find(mark < 0 ? url : url.slice(0, mark));
  const { method } = incoming;
  const writes = method !== 'GET' && method !== 'HEAD';
  const header = (name: string) => incoming.headers[name] as string | undefined;
  pages({ method, writes: writes || found?.route.getWrites === true, header });
  if (!found) return text(404, `Invalid URL path: not a recognized HTTP API endpoint`);
  const { methods } = found.route;
  const handler = rowOf(methods as Readonly<Record<string, ConsulHandler>>, method);
  if (!handler) {
    const answer = text(405, `method ${method} not allowed`);
    return { ...answer, headers: { ...answer.headers, Allow: Object.keys(methods).join(',') } };
  }
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  if (found.rest === '' && typeof found.route.deep === 'string')
    throw new ConsulError(400, `Missing ${found.route.deep}`);
  requireDatacenter(query.get('dc') ?? '', parts);
  refuseFilter(query, found.route);
  const answer = await handler({ method: method!, rest: decodePath(found.rest), query, parts, incoming, gone });
  return query.has('pretty') && isSet(query, 'pretty') ? pretty(answer) : answer;
}

/** Strips the origin that clients send which take this server for a proxy: `http://HOST/v1/…`. */
function withoutOrigin(url: string): string {
  return url[0] === '/' ? url : url.replace(/^https?:\/\/[^/?#]*/i, '');
}

/**
 * Refuses `filter`: an unfiltered list that looks filtered would be worse than an error. Consul does not filter pairs.
 */
function refuseFilter(query: URLSearchParams, { path }: ConsulRoute): void {
  if (query.get('filter') && path !== '/v1/kv/')
    throw new ConsulError(400, 'filter is not supported here: ask without it, and choose from the answer');
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new ConsulError(400, `Invalid path: ${JSON.stringify(path)} is not well encoded`);
  }
}

function pretty(answer: ConsulResponse): ConsulResponse {
  if (answer.headers['Content-Type'] !== 'application/json') return answer;
  // Indents the text itself, so that 64-bit numbers stay exact.
  return { ...answer, body: indented(String(answer.body)) };
}

function indented(text: string): string {
  let depth = 0;
  return text.replace(/"(?:[^"\\]|\\.)*"|[[{]\s*[\]}]|[[\]{},:]/g, (token) => {
    if (token === '{' || token === '[') return `${token}\n${'    '.repeat(++depth)}`;
    if (token === '}' || token === ']') return `\n${'    '.repeat(--depth)}${token}`;
    if (token === ',') return `,\n${'    '.repeat(depth)}`;
    return token === ':' ? ': ' : token;
  });
}

function errorAnswer(error: unknown, incoming: IncomingMessage, { log }: ConsulParts): ConsulResponse {
  const { method, url } = incoming;
  // The client has gone before its body was complete: nobody reads a response.
  if (incoming.destroyed && !incoming.complete) {
    log.debug('Client of Consul gone', { method, url });
    return text(400, 'the request did not arrive whole');
  }
  if (error instanceof ConsulError) return text(error.status, error.message);
  if (error instanceof FlotillaError) {
    if (error.code === 'invalid') return text(400, error.message);
    if (error.code === 'forbidden') return text(403, error.message);
    return text(500, error.code === 'unavailable' ? `No cluster leader: ${error.message}` : error.message);
  }
  log.error("Consul's API failed", { method, url, error: error instanceof Error ? error.stack : messageOf(error) });
  return text(500, 'internal error: see the log of fleetd');
}
