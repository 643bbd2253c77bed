/**
 * The catalog of services, as every machine of a lab has it. `npm run bench -- services [--quick]`.
 */
import { systemClock as clock, silentLog as log, systemRandom as random } from '../src/lib/index.ts';
import { type Catalog, openCatalog } from '../src/services/index.ts';
import { whyNoDocker } from '../test/e2e/docker-daemon.ts';
import { CatalogWriter, connect } from './catalog-writer.ts';
import { containerFigures } from './container-services.ts';
import { type Figure, printFigures } from './figures.ts';
import { BenchLab } from './lab.ts';
import { routeChanges } from './route-changes.ts';

const UNITS = 500;
const CONTAINERS = 500;
const SERVICE = '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[X-Service]\nName=many\nPort=80\n';

export async function benchServices(quick: boolean): Promise<void> {
  const lab = new BenchLab();
  try {
    await lab.up();
    const registration = await registrations(lab, quick ? 100 : UNITS);
    const changes = await changesSeen(lab, quick ? 100 : 1000);
    const routes = await routeChanges(lab, quick ? 50 : 300);
    const containers =
      whyNoDocker() === undefined ? await containerFigures(lab.storeEndpoint(), quick ? 30 : CONTAINERS) : [];
    printFigures('services', [registration, ...containers, ...changes, routes]);
  } finally {
    await lab.down();
  }
}

/** From the moment at which the last unit is active until every machine's catalog has all of them. */
async function registrations(lab: BenchLab, count: number): Promise<Figure> {
  await lab.fleetctl('submit', lab.unit('many@.service', SERVICE));
  const machines = await lab.machines();
  await lab.fleetctl('start', ...Array.from({ length: count }, (_, i) => `many@${i}.service`));
  const startMs = performance.now();
  await Promise.all(machines.map(({ endpoint }) => untilCounts(endpoint, count)));
  const samples = [(performance.now() - startMs) / 1000];
  return {
    name: `${count} units started, all in every catalog after the last is active`,
    unit: 's',
    samples,
    target: '< 3',
  };
}

async function untilCounts(endpoint: string, count: number): Promise<void> {
  for (const startMs = performance.now(); ; await clock.sleep(5)) {
    const response = await fetch(`${endpoint}/fleet/v1/services/many`);
    const answer = (await response.json()) as { readonly instances?: readonly unknown[] };
    if (answer.instances?.length === count) return;
    if (performance.now() - startMs > 60_000)
      throw new Error(`${endpoint} knows ${answer.instances?.length} of ${count}`);
  }
}

/** Instances of a machine made for this, changed one after another; three catalogs follow over connections of their own. */
async function changesSeen(lab: BenchLab, changes: number): Promise<Figure[]> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const connections = Array.from({ length: 3 }, () => connect(lab.storeEndpoint()));
  const catalogs = connections.map(({ cluster }) => openCatalog({ cluster, clock, random, log, signal }));
  await Promise.all(catalogs.map((catalog) => catalog.sync()));
  const writer = await CatalogWriter.open(lab.storeEndpoint());
  const commit: number[] = [];
  const seen: number[] = [];
  for (let i = 0; i < changes; i++) {
    const told = Promise.all(catalogs.map((catalog) => untilPort(catalog, i + 1)));
    const startMs = performance.now();
    await writer.put('127.0.9.9', i + 1);
    commit.push(performance.now() - startMs);
    seen.push(Math.max(...(await told)) - startMs);
  }
  stopping.abort();
  await writer.close();
  await Promise.all(connections.map(({ store }) => store.close()));
  const floor = { name: 'the commit', samples: commit };
  const name = 'a change, from its sending until the last of three catalogs tells it';
  return [{ name, unit: 'ms', samples: seen, target: '< 100', floor }];
}

/** When the catalog told that the instance answers on that port. */
function untilPort(catalog: Catalog, port: number): Promise<number> {
  return new Promise((resolve) => {
    const end = catalog.onChange(({ services }) => {
      if (services.get('bench')?.[0]?.port !== port) return;
      end();
      resolve(performance.now());
    });
  });
}
