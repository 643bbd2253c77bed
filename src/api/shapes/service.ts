import { z } from 'zod';
import { calls } from './call.ts';
import { health, integer, named, type Shape, text } from './kinds.ts';

const serviceRoute = named('ServiceRoute', z.object({ host: text.exactOptional(), path: text.exactOptional() }));

const serviceCheck = named(
  'ServiceCheck',
  z.object({ id: text, name: text, type: text, status: health, output: text, notes: text }),
);

const serviceInstance = named(
  'ServiceInstance',
  z.object({
    id: text,
    machineID: text.describe('`external:` and its name for a computer without fleetd.'),
    node: text.describe("The machine's name in the catalog."),
    address: text,
    port: integer,
    tags: z.array(text),
    meta: z.record(z.string(), z.string()),
    source: z.enum(['unit', 'container', 'api']).describe('Who registered it.'),
    unit: text.exactOptional().describe('The unit behind it, where one is known.'),
    routes: z.array(serviceRoute),
    health: health.describe('The worst status of its checks.'),
    checks: z.array(serviceCheck),
  }),
);
export type ApiServiceInstance = Shape<typeof serviceInstance>;

const service = named(
  'Service',
  z.object({ name: text, instances: z.array(serviceInstance).describe('Sorted by node and id.') }),
);
export type ApiService = Shape<typeof service>;

const serviceList = named('ServiceList', z.object({ services: z.array(service).describe('By name.') }));

export const serviceCalls = calls({
  List: {
    id: 'fleet.Service.List',
    description: 'Every service with its instances and their checks.',
    method: 'GET',
    path: 'services',
    responses: { 200: { json: serviceList } },
    errors: ['not-found'],
  },
  Get: {
    id: 'fleet.Service.Get',
    description: 'One service with its instances and their checks.',
    method: 'GET',
    path: 'services/{serviceName}',
    responses: { 200: { json: service } },
    errors: ['not-found'],
  },
});
