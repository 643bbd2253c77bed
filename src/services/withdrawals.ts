import type { Clock } from '../lib/index.ts';
import type { ServiceInstance } from '../model/index.ts';

interface Withdrawal {
  readonly drainMs: number;
  readonly beganAtMs: number;
  /** When the unit's services had left the catalog. */
  outAtMs?: number;
}

/** The longest that an unreachable store delays a stop, in milliseconds. */
const MAX_DELAY_MS = 1000;

/** Knows the units whose services are kept out of the catalog because they are to be stopped. */
export class Withdrawals {
  readonly #clock: Clock;
  readonly #units = new Map<string, Withdrawal>();
  #all = false;
  /** True when no instance of this machine was in the catalog, or about to be, when all had to leave. */
  #hadNothing = false;
  /** How many instances are in the catalog; undefined until any were published. */
  #inCatalog: number | undefined;
  readonly #onAllLeft: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True while all instances are kept out. */
  get all(): boolean {
    return this.#all;
  }

  /** Keeps all instances out. `offered`: how many there were to publish. */
  beginAll(offered: number): void {
    this.#hadNothing = offered === 0 && this.#inCatalog === 0;
    this.#all = true;
  }

  endAll(): void {
    this.#all = false;
  }

  /** Resolves once the catalog holds no instance of this machine: at once when it held none, even without a store. */
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

  /** Ends a unit's withdrawal; returns false when there was none. */
  end(unit: string): boolean {
    return this.#units.delete(unit);
  }

  /** Returns for how many milliseconds the unit must still run. */
  leftMs(unit: string): number {
    const withdrawal = this.#units.get(unit);
    if (!withdrawal) return 0;
    const now = this.#clock.monotonic();
    const { drainMs, beganAtMs, outAtMs = Math.min(now, beganAtMs + MAX_DELAY_MS) } = withdrawal;
    return Math.max(0, outAtMs + drainMs - now);
  }

  /** Notes that the catalog holds exactly these instances of this machine. */
  published(instances: ReadonlyMap<string, ServiceInstance>): void {
    this.#inCatalog = instances.size;
    if (instances.size === 0) for (const resolve of this.#onAllLeft.splice(0)) resolve();
    if ([...this.#units.values()].every(({ outAtMs }) => outAtMs !== undefined)) return;
    const units = new Set([...instances.values()].map(({ unit }) => unit));
    const now = this.#clock.monotonic();
    for (const [unit, withdrawal] of this.#units) if (!units.has(unit)) withdrawal.outAtMs ??= now;
  }
}
