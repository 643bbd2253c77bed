import type { Clock } from '../lib/index.ts';
import type { ServiceInstance } from '../model/index.ts';

interface Withdrawal {
  readonly drainMs: number;
  readonly beganAtMs: number;
  /** When the unit's services were gone from the catalog. */
  outAtMs?: number;
}

/** A store that does not take a withdrawal delays no stop longer than this. */
const MAX_DELAY_MS = 1000;

/** The units whose services are kept out of the catalog, because the unit is about to be stopped. */
export class Withdrawals {
  readonly #clock: Clock;
  readonly #units = new Map<string, Withdrawal>();
  #all = false;
  /** Nothing of this machine was in the catalog when all began to leave, or on its way there. */
  #hadNothing = false;
  /** Instances in the catalog; undefined until something was published. */
  #inCatalog: number | undefined;
  readonly #onAllLeft: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** All instances are kept out, of whatever source. */
  get all(): boolean {
    return this.#all;
  }

  /** `offered`: how many instances there were to be published. */
  beginAll(offered: number): void {
    this.#hadNothing = offered === 0 && this.#inCatalog === 0;
    this.#all = true;
  }

  endAll(): void {
    this.#all = false;
  }

  /** Resolves once the catalog holds no instance of this machine: at once where it held none, be the store there or not. */
  allLeft(): Promise<void> {
    if (this.#hadNothing) return Promise.resolve();
    return new Promise((resolve) => this.#onAllLeft.push(resolve));
  }

  has(unit: string): boolean {
    return this.#units.has(unit);
  }

  begin(unit: string, drainMs: number): void {
    this.#units.set(unit, { drainMs, beganAtMs: this.#clock.monotonic() });
  }

  /** False when there was none. */
  end(unit: string): boolean {
    return this.#units.delete(unit);
  }

  /** For how many milliseconds the unit must run on yet. */
  leftMs(unit: string): number {
    const withdrawal = this.#units.get(unit);
    if (!withdrawal) return 0;
    const now = this.#clock.monotonic();
    const { drainMs, beganAtMs, outAtMs = Math.min(now, beganAtMs + MAX_DELAY_MS) } = withdrawal;
    return Math.max(0, outAtMs + drainMs - now);
  }

  /** The catalog holds these instances of this machine, and no others. */
  published(instances: ReadonlyMap<string, ServiceInstance>): void {
    this.#inCatalog = instances.size;
    if (instances.size === 0) for (const resolve of this.#onAllLeft.splice(0)) resolve();
    if ([...this.#units.values()].every(({ outAtMs }) => outAtMs !== undefined)) return;
    const units = new Set([...instances.values()].map(({ unit }) => unit));
    const now = this.#clock.monotonic();
    for (const [unit, withdrawal] of this.#units) if (!units.has(unit)) withdrawal.outAtMs ??= now;
  }
}
