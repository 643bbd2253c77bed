import type { Lease } from '../cluster/index.ts';
import type { Clock } from '../lib/index.ts';

/**
 * A machine's promise to the cluster: these units no longer run here when its lease may have ended in the store.
 * Times are monotonic, in milliseconds.
 */
export interface StopPromise {
  readonly units: readonly string[];
  /** When the agent begins to stop them. */
  readonly stopAtMs: number;
  /** When the lease may have ended. */
  readonly endMs: number;
}

/** Keeps the promise for the next fleetd, and for the guard that carries it out when no fleetd does in time. */
export interface PromiseMemory {
  load(): StopPromise | undefined;
  /** Throws when it cannot be saved: then the promise saved before is still in force. */
  save(promise: StopPromise | undefined): void;
}

/** Returns when the guard stops the units of a promise that the agent has neither renewed nor kept. */
export function guardAtMs({ stopAtMs, endMs }: StopPromise): number {
  return (stopAtMs + endMs) / 2;
}

/** The promise of this machine, renewed with every keep-alive of its lease. */
export class StopPromises {
  readonly #memory: PromiseMemory;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  #current: StopPromise | undefined;
  /** True once the units have been told to stop; the promise stays saved until another replaces it. */
  #kept = false;

  /** Begins with the promise of an earlier fleetd. */
  constructor(memory: PromiseMemory, clock: Clock, ttlMs: number) {
    this.#memory = memory;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#current = memory.load();
  }

  get units(): readonly string[] {
    return this.#current?.units ?? [];
  }

  /** Whole milliseconds until the units have to be stopped; undefined when there are none, or they were stopped. */
  get dueInMs(): number | undefined {
    return this.#current && !this.#kept ? Math.ceil(this.#current.stopAtMs - this.#clock.monotonic()) : undefined;
  }

  /** True once the guard may have stopped the units; the agent must stop them too, to know their state. */
  get isBroken(): boolean {
    return this.#current !== undefined && !this.#kept && this.#clock.monotonic() >= guardAtMs(this.#current);
  }

  /** Returns true while the guard would stop this unit in time; otherwise it must not be started. */
  covers(unit: string): boolean {
    if (!this.#current || this.#kept) return false;
    return this.#current.units.includes(unit) && this.#clock.monotonic() < this.#current.stopAtMs;
  }

  /** Promises for these units under that lease; throws, and changes nothing, when the promise cannot be saved. */
  make(units: readonly string[], lease: Lease): void {
    const endMs = lease.deadline();
    const known = this.#current;
    if (known?.endMs === endMs && known.units.join() === units.join()) return;
    if (!known && units.length === 0) return;
    // The last third of the lease is kept for stopping.
    this.#remember(units.length === 0 ? undefined : { units, stopAtMs: endMs - this.#ttlMs / 3, endMs });
  }

  /** Promises for the same units as before until the lease's present end. */
  renew(lease: Lease): void {
    if (!this.#kept) this.make(this.units, lease);
  }

  /** Notes that the units have been told to stop. */
  kept(): void {
    this.#kept = true;
  }

  /** Withdraws the promise: its units are unloaded. */
  forget(): void {
    this.#remember(undefined);
  }

  /** Saves the promise before it counts here, since the guard knows only what is on disk. */
  #remember(promise: StopPromise | undefined): void {
    this.#memory.save(promise);
    this.#current = promise;
    this.#kept = false;
  }
}
