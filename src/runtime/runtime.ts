import type { UnitExit } from '../model/index.ts';

/** Runs units on one machine: systemd or the built-in supervisor. Only the agent drives it. */
export interface UnitRuntime {
  /** Lists the units that this runtime holds for Flotilla, including those loaded by an earlier fleetd. */
  units(): Promise<LoadedUnit[]>;
  /**
   * Unloads, then loads, with one reload for the whole batch. All files are in place before this resolves. Returns the
   * reason for each unit that could not be unloaded or loaded; all others are done. Unloading stops a running unit
   * first. Unloading an unknown unit, or loading the same hash again, does nothing.
   */
  apply(batch: RuntimeBatch): Promise<ReadonlyMap<string, string>>;
  /**
   * Stops and unloads all units of a stopping fleetd, also while the way to them disappears, as D-Bus does at shutdown.
   */
  unloadAll(): Promise<void>;
  /**
   * Enqueues starts (systemd mode `replace`) with the units' dependencies, ordered by After= and Before=. Resolves when
   * the jobs are accepted, with the reason for each refused start. Their outcome shows in `states`.
   */
  start(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Enqueues a stop; resolves when it is accepted. */
  stop(name: string): Promise<void>;
  /** Runs ExecReload= or the runtime's own reload; rejects when the unit has none. */
  reload(name: string): Promise<void>;
  /**
   * Yields the whole current state at once and again after changes, several of which may be folded into one. Never
   * deltas.
   */
  states(signal: AbortSignal): AsyncIterable<ReadonlyMap<string, RuntimeState>>;
  /**
   * Returns the text of `systemctl status -l NAME` with its exit status (0 active, 3 inactive or failed, 4 unknown).
   */
  status(name: string, options?: { readonly lines?: number }): Promise<{ text: string; exitCode: number }>;
  /** Yields the lines of `journalctl -u NAME`, without newlines. Ends at the last line unless `follow`. */
  logs(name: string, options: LogsOptions): AsyncIterable<string>;
  /** Stops watching; units go on running. */
  close(): Promise<void>;
}

export interface LoadedUnit {
  readonly name: string;
  readonly hash: string;
  /** True from an accepted start() of this file until the next stop(). */
  readonly launched: boolean;
  /** True while a start job is queued or running; an inactive unit has then not been started yet. */
  readonly starting: boolean;
  /**
   * Set when its run since the last start() has ended by itself with success, or (RemainAfterExit=) its commands have:
   * it has not failed and was not stopped.
   */
  readonly succeeded?: true;
  /** The state at this moment; `states` only says when to ask again. */
  readonly state: RuntimeState;
}

export interface RuntimeBatch {
  readonly unload: readonly string[];
  readonly load: readonly { readonly name: string; readonly hash: string; readonly text: string }[];
}

/** systemd's LOAD (loaded, not-found, error…), ACTIVE (active, activating, failed…) and SUB (running, dead…). */
export interface RuntimeState {
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  /** The end of its main process; only for a unit that failed or waits for its restart, and if the runtime knows it. */
  readonly exit?: UnitExit;
}

export interface LogsOptions {
  /** The number of newest lines to begin with. */
  readonly lines: number;
  readonly follow: boolean;
  /** journalctl's --output: short, short-iso, cat, json… */
  readonly output: string;
  readonly signal: AbortSignal;
}
