import type { Context, Hono } from 'hono';
import { FlotillaError } from '../lib/index.ts';
import { type Router, renderNginx } from '../router/index.ts';
import { answerJson } from './answers.ts';
import type { ApiParts } from './api-parts.ts';
import type { ApiRouter, ApiRouterBackend } from './schema.ts';

/** /router: what the router of this machine does. */
export function routerRoutes(app: Hono, { options }: ApiParts): void {
  app.get('/router', () => answerJson(describe(routerOf(options.router))));
  app.get('/router/backends', async () => {
    const backends = await routerOf(options.router).backends();
    return answerJson({ backends: backends satisfies readonly ApiRouterBackend[] });
  });
  app.get('/router/config/:kind', (c) => answerConfig(c, routerOf(options.router)));
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

function answerConfig(c: Context, router: Router): Response {
  if (c.req.param('kind') !== 'nginx')
    throw new FlotillaError('not-found', 'routes can be rendered for nginx only: /router/config/nginx');
  return new Response(renderNginx(router.table), { headers: { 'Content-Type': 'text/plain; charset=utf-8' } });
}
