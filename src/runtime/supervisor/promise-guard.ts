import { type Clock, type Log, messageOf, RepeatedFailure, uptimeMs } from '../../lib/index.ts';
import type { Supervisor } from './supervisor.ts';
import { isInactiveOrFailed } from './units/index.ts';

/** Units that must not run beyond a time unless fleetd renews its promise; times are milliseconds of uptime. */
export interface PromisedStop {
  readonly units: readonly string[];
  /** From then on the guard stops them. */
  readonly guardAtMs: number;
  /** The lease of the machine may have ended: what still runs is killed. */
  readonly endMs: number;
}

export interface PromiseGuardOptions {
  readonly supervisor: Supervisor;
  /** Reads what fleetd has promised by now; undefined when it is nothing. Throws when that cannot be known. */
  readonly promised: () => PromisedStop | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** The longest time between two looks at the promise, which may change at any moment, or have been made only now. */
const LOOK_MS = 1000;

/**
 * Keeps what fleetd has promised for units with OnPartition=stop when fleetd itself does not: it died, hangs, cannot start, or
 * the unit does not react to being stopped. On machines with systemd, bin/fleetd-guard does the same.
 */
export class PromiseGuard {
  readonly #options: PromiseGuardOptions;
  readonly #reading: RepeatedFailure;
  /** The promises, as text, whose units were stopped last and killed last. */
  #stopped = '';
  #killed = '';

  /** Begins at once: the promise may be overdue when a supervisor follows one that was killed. */
  constructor(options: PromiseGuardOptions) {
    const { clock, log } = options;
    this.#options = options;
    const sentence = 'Promise to stop units cannot be read: only fleetd can keep it';
    this.#reading = new RepeatedFailure({ clock, log, sentence, over: 'The promise to stop units can be read' });
    this.#look();
  }

  /** True while a promised unit runs: nobody else would stop it if fleetd were gone. */
  get isNeeded(): boolean {
    return this.#running(this.#read()?.units ?? []).length > 0;
  }

  #look(): void {
    const promise = this.#read();
    const dueInMs = promise ? this.#keep(promise) : LOOK_MS;
    this.#options.clock.after(Math.max(1, Math.min(dueInMs, LOOK_MS)), () => this.#look());
  }

  #read(): PromisedStop | undefined {
    try {
      const promise = this.#options.promised();
      this.#reading.succeeded();
      return promise;
    } catch (error) {
      this.#reading.failed(messageOf(error));
      return undefined;
    }
  }

  /** Does what is due by now; returns the milliseconds until more is. */
  #keep(promise: PromisedStop): number {
    const now = uptimeMs();
    const key = JSON.stringify(promise);
    if (now < promise.guardAtMs) return promise.guardAtMs - now;
    if (this.#stopped !== key) {
      this.#stopped = key;
      this.#stop(promise);
    }
    if (now < promise.endMs) return promise.endMs - now;
    if (this.#killed !== key) {
      this.#killed = key;
      this.#kill(promise);
    }
    return LOOK_MS;
  }

  #stop({ units }: PromisedStop): void {
    const { supervisor, log } = this.#options;
    for (const unit of this.#running(units)) {
      log.warn('Stopping unit, fleetd has not renewed its promise', { unit });
      try {
        supervisor.stop(unit);
      } catch (error) {
        log.error('Cannot stop unit', { unit, error: messageOf(error) });
      }
    }
  }

  #kill({ units }: PromisedStop): void {
    const { supervisor, log } = this.#options;
    for (const unit of this.#running(units)) {
      log.warn('Killing unit, it may have been started on another machine', { unit });
      supervisor.kill(unit);
    }
  }

  /** Those that run, or are about to. */
  #running(units: readonly string[]): readonly string[] {
    const { supervisor } = this.#options;
    return units.filter((name) => {
      const unit = supervisor.units.get(name);
      return unit !== undefined && (unit.memory.job !== null || !isInactiveOrFailed(unit.active));
    });
  }
}
