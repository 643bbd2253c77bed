import { FlotillaError } from '../lib/index.ts';
import { type Router, renderNginx } from '../router/index.ts';
import type { ApiParts } from './api-parts.ts';
import type { Handlers } from './call-handlers.ts';
import type { ApiRouter, routerCalls } from './shapes/index.ts';

/** The router of this machine. */
export function routerHandlers({ options }: ApiParts): Handlers<typeof routerCalls> {
  return {
    Get: () => describe(routerOf(options.router)),
    Backends: async () => ({ backends: await routerOf(options.router).backends() }),
    Config: ({ path }) => answerConfig(path.kind, routerOf(options.router)),
  };
}

function routerOf(router: Router | undefined): Router {
  if (router === undefined)
    throw new FlotillaError('not-found', 'this machine routes nothing: its setting is router=off');
  return router;
}

function describe({ plane, listening, failure, table }: Router): ApiRouter {
  const { revision, problems } = table;
  const routes = table.routes.map(({ yields: _, ...route }) => route);
  return { plane, listening, ...(failure === undefined ? {} : { failure }), revision, routes, problems };
}

function answerConfig(kind: string, router: Router): Response {
  if (kind !== 'nginx')
    throw new FlotillaError('not-found', 'routes can be rendered for nginx only: /router/config/nginx');
  return new Response(renderNginx(router.table), { headers: { 'Content-Type': 'text/plain; charset=utf-8' } });
}
