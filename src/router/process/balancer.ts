import type { BackendState } from './backend-state.ts';

/** Shares the requests of one route among its backends: to the one with the fewest under way. */
export class Balancer {
  readonly #states: readonly BackendState[];
  #turn = 0;

  constructor(states: readonly BackendState[]) {
    this.#states = states;
  }

  /**
   * The backend for the next request, none of `tried`: after a failure one at another machine, since it may be the machine
   * that is lost. A resting one only where there is no other.
   */
  pick(tried: readonly BackendState[]): BackendState | undefined {
    const elsewhere = tried.length === 0 ? undefined : this.#best(this.#neighbours(tried), false);
    return elsewhere ?? this.#best(tried, false) ?? this.#best(tried, true);
  }

  /** All backends at the machines of these. */
  #neighbours(tried: readonly BackendState[]): readonly BackendState[] {
    const machines = new Set(tried.map(({ backend }) => backend.machine));
    return this.#states.filter(({ backend }) => machines.has(backend.machine));
  }

  #best(tried: readonly BackendState[], resting: boolean): BackendState | undefined {
    const states = this.#states;
    let best: BackendState | undefined;
    // Each time from another place, so that equals take turns.
    const start = this.#turn++;
    for (let step = 0; step < states.length; step++) {
      const state = states[(start + step) % states.length]!;
      if (best !== undefined && state.load >= best.load) continue;
      if (state.isDraining || state.isResting !== resting || tried.includes(state)) continue;
      best = state;
    }
    return best;
  }
}
