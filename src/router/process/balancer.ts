import type { BackendState } from './backend-state.ts';

/** Shares the requests of one route among its backends: to the one with the fewest under way. */
export class Balancer {
  readonly #states: readonly BackendState[];
  #turn = 0;

  constructor(states: readonly BackendState[]) {
    this.#states = states;
  }

  /** The backend for the next request, none of `tried`. A resting one only where there is no other. */
  pick(tried: readonly BackendState[]): BackendState | undefined {
    return this.#best(tried, false) ?? this.#best(tried, true);
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
