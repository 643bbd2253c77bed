import type { Placement } from '../model/index.ts';

/**
 * Knows the second copies of a machine that was absent: units that run here and are placed elsewhere by now. Their services
 * left the catalog with the old lease, so no client uses them, and they stop without draining.
 */
export class SecondCopies {
  readonly #units = new Set<string>();
  #leaseId: string | undefined;

  /** `leaseId`: the lease that an earlier fleetd of this machine held; undefined when there was none. */
  constructor(leaseId: string | undefined) {
    this.#leaseId = leaseId;
  }

  /** Returns the second copies among the units `held` by this machine, given its current placements and lease. */
  among(held: Iterable<string>, placements: ReadonlyMap<string, Placement>, leaseId: string): ReadonlySet<string> {
    const names = new Set(held);
    if (this.#leaseId !== undefined && this.#leaseId !== leaseId) for (const unit of names) this.#units.add(unit);
    this.#leaseId = leaseId;
    // A unit remains a second copy until it is unloaded, so that it does not drain after a turn that failed half-way.
    for (const unit of this.#units) if (placements.has(unit) || !names.has(unit)) this.#units.delete(unit);
    return this.#units;
  }
}
