import { type Clock, FlotillaError } from '../lib/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { type Catalog, type CatalogInstance, healthOf } from '../services/index.ts';
import { withDeadline } from './deadline.ts';
import type { Metrics } from './metrics.ts';

/** A runtime that hangs keeps no scrape waiting. */
const UNITS_TIMEOUT_MS = 2000;
const ACTIVE = ['active', 'reloading', 'activating', 'deactivating', 'inactive', 'failed'] as const;
const HEALTH = ['passing', 'warning', 'critical'] as const;

export interface ClusterMetricsOptions {
  readonly metrics: Metrics;
  /** Absent on a machine that runs no units. */
  readonly runtime: UnitRuntime | undefined;
  readonly catalog: Catalog | undefined;
  readonly clock: Clock;
}

/**
 * Units of this machine, and what it knows of all machines and services: counted when somebody asks, from what the machine
 * has in memory, without a call to the store. Call the returned function before the text is made.
 */
export function observeCluster({ metrics, runtime, catalog, clock }: ClusterMetricsOptions): () => Promise<void> {
  let units: ReadonlyMap<string, number> | undefined;
  metrics.observedBy('fleet_units', 'active', () => units);
  const nodes = () => catalog?.snapshot.nodes.values().filter(({ kind }) => kind === 'machine');
  metrics.observed('fleet_machines', () => nodes()?.toArray().length);
  const instances = () => catalog && count(HEALTH, [...catalog.snapshot.services.values()].flat().map(healthOf));
  metrics.observedBy('fleet_service_instances', 'health', instances);
  const services = () => catalog && count(HEALTH, [...catalog.snapshot.services.values()].map(bestHealth));
  metrics.observedBy('fleet_services', 'health', services);
  return async () => {
    const late = () => new FlotillaError('timeout', 'what runs the units of this machine did not answer in time');
    const held = runtime && withDeadline(runtime.units(), UNITS_TIMEOUT_MS, { clock, late });
    // Nothing is shown of units that cannot be counted: the other figures matter all the more then.
    const list = await held?.catch(() => undefined);
    units =
      list &&
      count(
        ACTIVE,
        list.map(({ state }) => state.active),
      );
  };
}

function bestHealth(instances: readonly CatalogInstance[]): string {
  const all = new Set<string>(instances.map(healthOf));
  return HEALTH.find((health) => all.has(health)) ?? 'critical';
}

/** How often each word stands there, 0 for those that do not. */
function count(words: readonly string[], found: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map(words.map((word) => [word, 0]));
  for (const word of found) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
