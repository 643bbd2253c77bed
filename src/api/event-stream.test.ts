import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Snapshot } from '../cluster/index.ts';
import { silentLog, systemClock } from '../lib/index.ts';
import { NO_NEEDS } from '../model/index.ts';
import type { Router } from '../router/index.ts';
import type { Catalog, CatalogInstance, CatalogSnapshot, Health } from '../services/index.ts';
import type { ClusterReader } from './cluster-reader.ts';
import { EventStream } from './event-stream.ts';
import { UnitHealth } from './unit-health.ts';

const UNIT = 'web.service';
const MACHINE = '1'.repeat(32);
const OPTIONS = [{ section: 'X-Service', name: 'Port', value: '80' }];

function catalogWith(status: Health, revision: number): CatalogSnapshot {
  const instance = { unit: UNIT, machine: MACHINE, port: 80, checks: [{ status, output: '' }] };
  return {
    revision,
    services: new Map([['web', [instance as unknown as CatalogInstance]]]),
  } as unknown as CatalogSnapshot;
}

test('a check that passes while the router is asked about the catalog of before is told', async () => {
  const listeners = new Set<(snapshot: CatalogSnapshot) => void>();
  const catalog = {
    snapshot: catalogWith('critical', 1),
    onChange: (listener: (snapshot: CatalogSnapshot) => void) => listeners.add(listener),
    sync: async () => {},
  };
  let asked = Promise.withResolvers<void>();
  let caughtUp = Promise.withResolvers<void>();
  const router = {
    caughtUp: () => {
      asked.resolve();
      return caughtUp.promise;
    },
  };
  const health = new UnitHealth({ catalog: catalog as unknown as Catalog, router: router as Router });
  const placement = { machine: MACHINE, unit: UNIT, hash: 'h', desired: 'launched', reason: '' };
  const text = { options: OPTIONS, description: '' };
  const stream = new EventStream({
    reader: {
      missing: () => [],
      textAtHand: () => text,
      view: { call: (ask: () => unknown) => ask() },
    } as unknown as ClusterReader,
    snapshot: {
      units: new Map([[UNIT, { name: UNIT, hash: 'h', desired: 'launched', needs: NO_NEEDS }]]),
      placements: new Map([[UNIT, new Map([[MACHINE, placement]])]]),
      machines: new Map(),
      statuses: new Map(),
    } as unknown as Snapshot,
    revision: () => 1,
    complete: () => Infinity,
    clock: systemClock,
    log: silentLog,
    signal: AbortSignal.timeout(20_000),
    withUnits: true,
    withHappened: false,
    health,
  });
  health.onChange((units) => {
    stream.owe(units, 1);
    stream.wake();
  });
  stream.begin([UNIT], -1, false);
  const first = stream.next();
  await asked.promise;
  catalog.snapshot = catalogWith('passing', 2);
  for (const listener of listeners) listener(catalog.snapshot);
  caughtUp.resolve();
  assert.match((await first)!, /"health":"critical"/);
  [asked, caughtUp] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  caughtUp.resolve();
  assert.match((await stream.next())!, /"health":"passing"/);
});
