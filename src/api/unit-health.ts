import type { Router } from '../router/index.ts';
import { type Catalog, type CatalogInstance, type CatalogSnapshot, healthOf } from '../services/index.ts';
import { readServices, type UnitOption } from '../unitfile/index.ts';
import type { ApiUnitService } from './shapes/index.ts';

export interface UnitHealthOptions {
  readonly catalog: Catalog;
  readonly router: Router | undefined;
}

/** How the services that units declare do, as the catalog and this machine's router have it. */
export class UnitHealth {
  readonly #options: UnitHealthOptions;
  #snapshot: CatalogSnapshot | undefined;

  constructor(options: UnitHealthOptions) {
    this.#options = options;
  }

  /**
   * After this, `servicesOf` knows everything that was written before the call, and the router of this machine routes by
   * it. Rejects when the store does not answer.
   */
  async refresh(): Promise<void> {
    const { catalog, router } = this.#options;
    await catalog.sync();
    const { snapshot } = catalog;
    await router?.caughtUp();
    // Of two calls the one that began first may end last.
    if (!this.#snapshot || snapshot.revision >= this.#snapshot.revision) this.#snapshot = snapshot;
  }

  /** Units whose services have changed since what `servicesOf` knows, which the router was asked about meanwhile. */
  changedSince(): ReadonlySet<string> {
    return unitsBetween(this.#snapshot ?? this.#options.catalog.snapshot, this.#options.catalog.snapshot);
  }

  /** The declared services of a unit on that machine; undefined when it declares none. */
  servicesOf(unit: string, machine: string, options: readonly UnitOption[]): ApiUnitService[] | undefined {
    if (!declaresServices(options)) return undefined;
    return readServices(unit, options).services.map(({ name, port }) => {
      const instance = this.#snapshot?.services
        .get(name)
        ?.find((one) => one.unit === unit && one.machine === machine && one.port === port);
      return { name, port, ...(instance ? { health: healthOf(instance), ...complaintOf(instance) } : {}) };
    });
  }

  /** Calls back with the units whose services may have changed; returns the function that ends this. */
  onChange(listener: (units: ReadonlySet<string>) => void): () => void {
    let before = this.#options.catalog.snapshot;
    return this.#options.catalog.onChange((after) => {
      const units = unitsBetween(before, after);
      before = after;
      if (units.size > 0) listener(units);
    });
  }
}

export function declaresServices(options: readonly UnitOption[]): boolean {
  return options.some(({ section }) => section === 'X-Service');
}

/** What the worst check says. */
function complaintOf(instance: CatalogInstance): { output?: string } {
  const checks = [...(instance.nodeChecks ?? []), ...instance.checks];
  const worst = checks.find(({ status }) => status === healthOf(instance));
  return worst && worst.status !== 'passing' && worst.output !== '' ? { output: worst.output } : {};
}

/** A list of instances that did not change is the same object in both. */
function unitsBetween({ services: before }: CatalogSnapshot, { services: after }: CatalogSnapshot): Set<string> {
  const units = new Set<string>();
  if (before === after) return units;
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(name) === after.get(name)) continue;
    for (const { unit } of [...(before.get(name) ?? []), ...(after.get(name) ?? [])]) if (unit) units.add(unit);
  }
  return units;
}
