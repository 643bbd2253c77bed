import { FlotillaError } from '../lib/index.ts';
import {
  type CatalogInstance,
  type CatalogNode,
  type CatalogSnapshot,
  healthOf,
  type ServiceCheck,
} from '../services/index.ts';
import type { ApiParts } from './api-parts.ts';
import type { Handlers } from './call-handlers.ts';
import type { ApiService, ApiServiceInstance, serviceCalls } from './shapes/index.ts';

/** The catalog, as of now. */
export function serviceHandlers(parts: ApiParts): Handlers<typeof serviceCalls> {
  return {
    List: async () => {
      const snapshot = await current(parts);
      const names = [...snapshot.services.keys()].sort();
      return { services: names.map((name) => describe(name, snapshot)) };
    },
    Get: async ({ path: { serviceName: name } }) => {
      const snapshot = await current(parts);
      if (!snapshot.services.has(name)) throw new FlotillaError('not-found', `there is no service ${name}`);
      return describe(name, snapshot);
    },
  };
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
