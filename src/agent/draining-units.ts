import type { Log } from '../lib/index.ts';
import type { Step } from './plan-steps.ts';

/** Takes the services of units out of the catalog before the units are stopped. */
export interface Draining {
  /** Withdraws a unit that is to be stopped; returns for how many milliseconds it must still run. */
  leave(unit: string): number;
  /** Offers the unit again: it is no longer to be stopped, or is started again. */
  stay(unit: string): void;
}

const NONE: ReadonlySet<string> = new Set();

/** Delays the stop of units that have left the catalog, until clients have noticed. */
export class DrainingUnits {
  readonly #draining: Draining | undefined;
  readonly #log: Log;
  readonly #units = new Set<string>();

  constructor(draining: Draining | undefined, log: Log) {
    this.#draining = draining;
    this.#log = log;
  }

  /**
   * Returns the steps without the stops that must wait, and after how many milliseconds to look again. Units of `atOnce`
   * leave the catalog too, and do not wait: no client sends them requests.
   */
  defer(
    steps: readonly Step[],
    atOnce: ReadonlySet<string> = NONE,
  ): { readonly steps: readonly Step[]; readonly againMs: number } {
    const stopping = new Set(steps.filter(({ kind }) => kind === 'stop').map(({ unit }) => unit));
    for (const unit of this.#units) if (!stopping.has(unit)) this.#stay(unit);
    for (const { kind, unit } of steps) if (kind === 'start' || kind === 'unload') this.#stay(unit);
    let againMs = Infinity;
    const ready = steps.filter(({ kind, unit }) => {
      const leftMs = kind === 'stop' ? this.#leave(unit, atOnce.has(unit)) : 0;
      if (leftMs > 0) againMs = Math.min(againMs, leftMs);
      return leftMs === 0;
    });
    return { steps: ready, againMs };
  }

  #leave(unit: string, atOnce: boolean): number {
    const drainMs = this.#draining?.leave(unit) ?? 0;
    const leftMs = atOnce ? 0 : drainMs;
    if (leftMs > 0 && !this.#units.has(unit)) this.#log.info('Draining unit', { unit, drainMs: Math.round(leftMs) });
    if (leftMs > 0) this.#units.add(unit);
    else this.#units.delete(unit);
    return leftMs;
  }

  #stay(unit: string): void {
    this.#units.delete(unit);
    this.#draining?.stay(unit);
  }
}
