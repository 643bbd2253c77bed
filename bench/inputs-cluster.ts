/** What one unit or service can make of a large cluster's scheduler and routes, for `bench/inputs.ts`. */
import { Scheduler } from '../src/engine/index.ts';
import { type Needs, NO_NEEDS, type ServiceInstance } from '../src/model/index.ts';
import { buildRoutes } from '../src/router/build-routes.ts';
import { RouteIndex } from '../src/router/route-index.ts';
import type { CatalogSnapshot } from '../src/services/index.ts';
import { type CraftedInput, listOf } from './crafted-input.ts';

const UNITS = 10_000;
const MACHINES = 10;

export function clusterInputs(): CraftedInput[] {
  const patterns = listOf(32, (i) => `*e*[a-z]${'?'.repeat(i % 8)}*e${'*'.repeat(1 + (i >> 3))}`);
  const strangers = listOf(32, (i) => `*[a-z]*${i}x.service`);
  const names = listOf(128, (i) => `web-frontend@${i}.service`);
  return [
    unitAmongMany('32 globs that match each of 10,000 units', { conflicts: patterns }),
    unitAmongMany('32 globs that match none of 10,000 units', { conflicts: strangers }),
    unitAmongMany('128 names of 10,000 units in Conflicts=', { conflicts: names }),
    unitAmongMany('32 globs in Replaces= that match 10,000 units', { replaces: patterns }),
    {
      name: '16 units with 1,024 routes each',
      prepare: () => {
        const snapshot = catalogOf(16, (service) =>
          listOf(1024, (i) => ({ host: `h${i % 4}.example`, path: `/${service}/${i}` })),
        );
        return () => buildRoutes(snapshot);
      },
    },
    {
      name: 'a request to a host with 4,096 paths',
      prepare: () => {
        const snapshot = catalogOf(16, (service) =>
          listOf(256, (i) => ({ host: 'h.example', path: `/${service}/${i}` })),
        );
        const index = new RouteIndex(buildRoutes(snapshot).routes);
        return () => index.find('h.example', '/nothing');
      },
    },
  ];
}

/** One more unit, submitted to a cluster in which all others have been placed. */
function unitAmongMany(name: string, needs: Partial<Needs>): CraftedInput {
  const prepare = () => {
    const scheduler = new Scheduler();
    const unit = (name: string, needs: Partial<Needs> = {}) =>
      scheduler.setUnit(name, { name, hash: 'h', desired: 'launched', needs: { ...NO_NEEDS, ...needs } });
    for (const id of listOf(MACHINES, (i) => String(i).repeat(32))) {
      const resources = { cores: 4, memoryBytes: 2 ** 33 };
      scheduler.setMachine(id, { id, address: '127.0.0.1', metadata: {}, resources, version: '1' });
    }
    for (let i = 0; i < UNITS; i++) unit(`web-frontend@${i}.service`);
    scheduler.schedule();
    return (function* () {
      unit('one-more.service', needs);
      yield* scheduler.prepare();
      yield void scheduler.schedule();
      scheduler.setUnit('one-more.service', undefined);
      yield void scheduler.schedule();
      yield* scheduler.prepare();
    })();
  };
  return { name, prepare };
}

function catalogOf(count: number, routesOf: (service: number) => ServiceInstance['routes']): CatalogSnapshot {
  const services = new Map(
    listOf(count, (i) => {
      const weights = { passing: 1, warning: 1 };
      const revisions = { createRevision: 1, modifyRevision: 1 };
      const said = { tags: ['http'], meta: {}, weights, enableTagOverride: false, source: 'unit', checks: [] } as const;
      const instance = {
        ...said,
        ...revisions,
        machine: 'm1',
        id: `${i}`,
        name: `s${i}`,
        address: '10.0.0.1',
        port: 80,
      };
      return [`s${i}`, [{ ...instance, routes: routesOf(i) }]];
    }),
  );
  const [nodeChecksOf, revisionOf, revisionOfNode] = [() => [], () => 1, () => 1];
  return { revision: 1, nodes: new Map(), services, nodeChecksOf, revisionOf, revisionOfNode };
}
