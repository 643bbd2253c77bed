import type { Placement } from '../model/index.ts';

/**
 * The units of a machine that was absent which run elsewhere by now: their services left the catalog with the old lease,
 * so that nobody uses them, and they stop without draining.
 */
export class SecondCopies {
  readonly #units = new Set<string>();
  #leaseId: string | undefined;

  /** `leaseId`: the lease that an earlier fleetd of this machine has held; undefined when there was none. */
  constructor(leaseId: string | undefined) {
    this.#leaseId = leaseId;
  }

  /** Returns the second copies among the units `held` by this machine, given its placements and its lease of now. */
  among(held: Iterable<string>, placements: ReadonlyMap<string, Placement>, leaseId: string): ReadonlySet<string> {
    const names = new Set(held);
    if (this.#leaseId !== undefined && this.#leaseId !== leaseId) for (const unit of names) this.#units.add(unit);
    this.#leaseId = leaseId;
    // A unit stays one until it is unloaded: a turn that fails half-way must not make it drain after all.
    for (const unit of this.#units) if (placements.has(unit) || !names.has(unit)) this.#units.delete(unit);
    return this.#units;
  }
}
