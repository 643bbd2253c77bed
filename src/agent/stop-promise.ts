import type { Lease } from '../cluster/index.ts';
import type { Clock } from '../lib/index.ts';

/**
 * What a machine has promised the cluster: these units do not run here any more when its lease may have ended elsewhere.
 * Times are monotonic, in milliseconds.
 */
export interface StopPromise {
  readonly units: readonly string[];
  /** From then on the agent stops them. */
  readonly stopAtMs: number;
  /** The lease may have ended. */
  readonly endMs: number;
}

/** Where the promise outlives fleetd, for the next one, and for a guard that keeps it when no fleetd is there in time. */
export interface PromiseMemory {
  load(): StopPromise | undefined;
  /** Throws when it cannot be written down: then what was saved before still stands. */
  save(promise: StopPromise | undefined): void;
}

/** When somebody else than the agent stops the units of a promise that was neither renewed nor kept. */
export function guardAtMs({ stopAtMs, endMs }: StopPromise): number {
  return (stopAtMs + endMs) / 2;
}

/** The promise of this machine, renewed with every keep-alive of its lease. */
export class StopPromises {
  readonly #memory: PromiseMemory;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  #current: StopPromise | undefined;
  /** The units have been told to stop; what is remembered stays until there is something else to promise. */
  #kept = false;

  /** Begins with what an earlier fleetd has promised. */
  constructor(memory: PromiseMemory, clock: Clock, ttlMs: number) {
    this.#memory = memory;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#current = memory.load();
  }

  get units(): readonly string[] {
    return this.#current?.units ?? [];
  }

  /** Whole milliseconds until the units have to be stopped, as long as nobody has stopped them. */
  get dueInMs(): number | undefined {
    return this.#current && !this.#kept ? Math.ceil(this.#current.stopAtMs - this.#clock.monotonic()) : undefined;
  }

  /** The guard may have stopped the units: only stopping them makes certain what they are. */
  get isBroken(): boolean {
    return this.#current !== undefined && !this.#kept && this.#clock.monotonic() >= guardAtMs(this.#current);
  }

  /** True while the guard would stop this unit in time: without that it must not be started. */
  covers(unit: string): boolean {
    if (!this.#current || this.#kept) return false;
    return this.#current.units.includes(unit) && this.#clock.monotonic() < this.#current.stopAtMs;
  }

  /** Promises for these units under that lease; throws when that cannot be written down, and then nothing has changed. */
  make(units: readonly string[], lease: Lease): void {
    const endMs = lease.deadline();
    const known = this.#current;
    if (known?.endMs === endMs && known.units.join() === units.join()) return;
    if (!known && units.length === 0) return;
    // The last third of the lease is kept for stopping.
    this.#remember(units.length === 0 ? undefined : { units, stopAtMs: endMs - this.#ttlMs / 3, endMs });
  }

  /** Promises for the same units as before, for as long as the lease lasts by now. */
  renew(lease: Lease): void {
    if (!this.#kept) this.make(this.units, lease);
  }

  /** The units have been told to stop. */
  kept(): void {
    this.#kept = true;
  }

  /** There is nothing here any more to promise anything for. */
  forget(): void {
    this.#remember(undefined);
  }

  /** The guard knows only what is on disk: that comes first, and this process goes by nothing else. */
  #remember(promise: StopPromise | undefined): void {
    this.#memory.save(promise);
    this.#current = promise;
    this.#kept = false;
  }
}
