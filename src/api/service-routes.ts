import type { Context, Hono } from 'hono';
import { FlotillaError } from '../lib/index.ts';
import {
  type CatalogInstance,
  type CatalogNode,
  type CatalogSnapshot,
  healthOf,
  type ServiceCheck,
} from '../services/index.ts';
import { answerJson } from './answers.ts';
import type { ApiParts } from './api-parts.ts';
import type { ApiService, ApiServiceInstance, ApiServiceList } from './schema.ts';

/** /services: the catalog, as of now. */
export function serviceRoutes(app: Hono, parts: ApiParts): void {
  app.get('/services', () => listServices(parts));
  app.get('/services/:name', (c) => getService(c, parts));
}

async function listServices(parts: ApiParts): Promise<Response> {
  const snapshot = await current(parts);
  const names = [...snapshot.services.keys()].sort();
  return answerJson({ services: names.map((name) => describe(name, snapshot)) } satisfies ApiServiceList);
}

async function getService(c: Context, parts: ApiParts): Promise<Response> {
  const name = c.req.param('name') ?? '';
  const snapshot = await current(parts);
  if (!snapshot.services.has(name)) throw new FlotillaError('not-found', `there is no service ${name}`);
  return answerJson(describe(name, snapshot));
}

/** The catalog with everything that was written before the request. */
async function current({ options, reader }: ApiParts): Promise<CatalogSnapshot> {
  const { catalog } = options;
  if (catalog === undefined) throw new FlotillaError('not-found', 'this machine keeps no catalog of services');
  await reader.view.call(() => catalog.sync());
  return catalog.snapshot;
}

function describe(name: string, { nodes, services }: CatalogSnapshot): ApiService {
  const instances = services.get(name) ?? [];
  return {
    name,
    instances: instances.map((instance) => describeInstance(instance, nodes.get(instance.machine)!)),
  };
}

function describeInstance(instance: CatalogInstance, { name: node, address }: CatalogNode): ApiServiceInstance {
  const { id, machine: machineID, port, tags, meta, source, unit, routes, nodeChecks = [] } = instance;
  const checks = [...nodeChecks, ...instance.checks].map(shownCheck);
  const place = { id, machineID, node, address: instance.address || address, port };
  return { ...place, tags, meta, source, ...(unit ? { unit } : {}), routes, health: healthOf(instance), checks };
}

function shownCheck({ id, name, type, status, output, notes }: ServiceCheck): ServiceCheck {
  return { id, name, type, status, output, notes };
}
