import type { BackendState } from './backend-state.ts';

/** Shares the requests of one route among its backends: each goes to the one with the lowest load. */
export class Balancer {
  readonly #states: readonly BackendState[];
  #turn = 0;

  constructor(states: readonly BackendState[]) {
    this.#states = states;
  }

  /**
   * Picks the backend for the next request, none of `tried`. After a failure it prefers another machine, since the
   * first may be lost. Picks a resting backend only when there is no other.
   */
  pick(tried: readonly BackendState[]): BackendState | undefined {
    const elsewhere = tried.length === 0 ? undefined : this.#best(this.#neighbours(tried), false);
    return elsewhere ?? this.#best(tried, false) ?? this.#best(tried, true);
  }

  /** Lists all backends on the machines of these. */
  #neighbours(tried: readonly BackendState[]): readonly BackendState[] {
    const machines = new Set(tried.map(({ backend }) => backend.machine));
    return this.#states.filter(({ backend }) => machines.has(backend.machine));
  }

  #best(tried: readonly BackendState[], resting: boolean): BackendState | undefined {
    let least = Number.POSITIVE_INFINITY;
    let equals = 0;
    for (const state of this.#states) {
      const { load } = state;
      if (load > least || !isFree(state)) continue;
      equals = load < least ? 1 : equals + 1;
      least = load;
    }
    if (equals === 0) return undefined;
    // Only backends of equal load take turns: otherwise the one behind a resting backend would get its share as well.
    let turn = this.#turn++ % equals;
    return this.#states.find((state) => state.load === least && isFree(state) && turn-- === 0);

    function isFree(state: BackendState): boolean {
      return !state.isDraining && state.isResting === resting && !tried.includes(state);
    }
  }
}
