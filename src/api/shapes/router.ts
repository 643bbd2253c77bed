import { z } from 'zod';
import { calls } from './call.ts';
import { integer, named, type Shape, text } from './kinds.ts';

const routeBackend = named(
  'RouteBackend',
  z.object({ id: text, machine: text, address: text, port: integer, weight: integer }),
);

const route = named('Route', z.object({ host: text, path: text, service: text, backends: z.array(routeBackend) }));
export type ApiRoute = Shape<typeof route>;

const routeProblem = named('RouteProblem', z.object({ host: text, path: text, service: text, reason: text }));

const router = named(
  'Router',
  z.object({
    plane: text,
    listening: z.array(text).describe('Addresses at which it takes requests, e.g. `http://0.0.0.0:80`.'),
    failure: text.exactOptional().describe('Why it does not run, when it does not.'),
    revision: integer.describe('The revision of the catalog that the routes are made from.'),
    routes: z.array(route),
    problems: z.array(routeProblem).describe('What services ask for and do not get.'),
  }),
);
export type ApiRouter = Shape<typeof router>;

const routerBackend = named(
  'RouterBackend',
  z.object({
    id: text,
    service: text,
    address: text,
    port: integer,
    state: z.enum(['up', 'resting', 'draining']),
    active: integer,
    requests: integer,
    failures: integer,
  }),
);
export type ApiRouterBackend = Shape<typeof routerBackend>;

const routerBackendList = named('RouterBackendList', z.object({ backends: z.array(routerBackend) }));

export const routerCalls = calls({
  Get: {
    id: 'fleet.Router.Get',
    description: 'The routes of the HTTP router of this machine.',
    method: 'GET',
    path: 'router',
    responses: { 200: { json: router } },
    errors: ['not-found'],
  },
  Backends: {
    id: 'fleet.Router.Backends',
    description: 'The backends of that router, and what each is doing.',
    method: 'GET',
    path: 'router/backends',
    responses: { 200: { json: routerBackendList } },
    errors: ['not-found'],
  },
  Config: {
    id: 'fleet.Router.Config',
    description: 'The routes as a file for another program: nginx.',
    method: 'GET',
    path: 'router/config/{kind}',
    responses: { 200: { text: 'text/plain' } },
    errors: ['not-found'],
  },
});
