import type { UnitExit } from '../model/index.ts';

/** Whatever runs units on one machine: systemd, or the built-in supervisor. Only the agent drives it. */
export interface UnitRuntime {
  /** Units this runtime holds for Flotilla, also those an earlier fleetd loaded. */
  units(): Promise<LoadedUnit[]>;
  /**
   * Unloads, then loads, with one reload for the whole batch. All files of the batch are in place before it returns.
   * Units that cannot be unloaded or loaded are answered with the reason; the others are done. Unloading a running
   * unit stops it first; unloading what is not there, or loading the same hash again, does nothing.
   */
  apply(batch: RuntimeBatch): Promise<ReadonlyMap<string, string>>;
  /**
   * Stops and unloads all units, for a fleetd that is told to stop: also where the way to them is going away at the same
   * time, as D-Bus does at shutdown.
   */
  unloadAll(): Promise<void>;
  /**
   * Enqueues starts (systemd mode `replace`) with the units' dependencies, in the order that After= and Before= ask for
   * among them; resolves once they are accepted. Units whose start is refused are answered with the reason. How it went
   * is seen in `states`.
   */
  start(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Enqueues a stop; resolves once accepted. */
  stop(name: string): Promise<void>;
  /** ExecReload= or what the runtime has for it; rejects when the unit has none. */
  reload(name: string): Promise<void>;
  /** The whole current state at once, and again after changes (many changes may be folded into one). Never deltas. */
  states(signal: AbortSignal): AsyncIterable<ReadonlyMap<string, RuntimeState>>;
  /** What `systemctl status -l NAME` prints, with its exit status (0 active, 3 inactive or failed, 4 unknown). */
  status(name: string, options?: { readonly lines?: number }): Promise<{ text: string; exitCode: number }>;
  /** Lines as `journalctl -u NAME` prints them, without the newline. Ends at the last line unless `follow`. */
  logs(name: string, options: LogsOptions): AsyncIterable<string>;
  /** Stops watching; units go on running. */
  close(): Promise<void>;
}

export interface LoadedUnit {
  readonly name: string;
  readonly hash: string;
  /** True once start() was accepted for this file since it was loaded, and stop() was not called after it. */
  readonly launched: boolean;
  /** A start job is queued or running: until it is over, an inactive unit has not been started yet. */
  readonly starting: boolean;
  /**
   * Set once its run since the last start() has ended with success by itself, or (RemainAfterExit=) its commands have: it
   * has not failed, and nobody stopped it.
   */
  readonly succeeded?: true;
  /** As of this answer; `states` is only the wake-up to ask again. */
  readonly state: RuntimeState;
}

export interface RuntimeBatch {
  readonly unload: readonly string[];
  readonly load: readonly { readonly name: string; readonly hash: string; readonly text: string }[];
}

/** systemd's words: load (loaded, not-found, error…), active (active, activating, failed…), sub (running, dead…). */
export interface RuntimeState {
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  /** How it ended; only while it has failed or waits for its restart, and where the runtime knows. */
  readonly exit?: UnitExit;
}

export interface LogsOptions {
  /** How many of the newest lines first. */
  readonly lines: number;
  readonly follow: boolean;
  /** journalctl's --output: short, short-iso, cat, json… */
  readonly output: string;
  readonly signal: AbortSignal;
}
