import { within } from '../../lib/index.ts';
import type { UnitExit } from '../../model/index.ts';
import type { LoadedUnit, RuntimeState } from '../runtime.ts';

/** One unit in the response of ListUnitsByNames. */
export interface ListedUnit {
  readonly name: string;
  readonly state: RuntimeState;
  /** 0 without a queued job. */
  readonly jobId: number;
  readonly jobType: string;
}

interface Held {
  readonly name: string;
  hash: string;
  launched: boolean;
  state: RuntimeState;
  /**
   * True when, since its last start, a stop was queued, a job failed, or we were not watching: the unit may not have
   * ended by itself.
   */
  interrupted: boolean;
  /** systemd's job for the unit; its type is undefined until known. */
  job: { readonly id: number; readonly type: string | undefined } | undefined;
}

const UNKNOWN: RuntimeState = { load: 'loaded', active: 'inactive', sub: 'dead' };

/** The known state of the units held for Flotilla: read from systemd's list, kept current by its signals. */
export class HeldUnits {
  readonly #units = new Map<string, Held>();
  readonly #watchers = new Set<() => void>();
  #version = 0;

  /** Increases with every change. */
  get version(): number {
    return this.#version;
  }

  get names(): string[] {
    return [...this.#units.keys()];
  }

  has(name: string): boolean {
    return this.#units.has(name);
  }

  get(name: string): Readonly<Held> | undefined {
    return this.#units.get(name);
  }

  /** `launched`: started by an earlier fleetd, so that its end was not observed if it is inactive now. */
  hold(name: string, hash: string, launched: boolean): void {
    this.#units.set(name, { name, hash, launched, interrupted: launched, state: UNKNOWN, job: undefined });
    this.#changed();
  }

  forget(name: string): void {
    if (this.#units.delete(name)) this.#changed();
  }

  launched(name: string, launched: boolean): void {
    const unit = this.#units.get(name);
    if (unit === undefined) return;
    unit.launched = launched;
    this.#changed();
  }

  /** Applies a list from systemd, which may contain units that are not held. */
  listed(list: readonly ListedUnit[]): void {
    for (const { name, state, jobId, jobType } of list) {
      const unit = this.#units.get(name);
      if (unit === undefined) continue;
      const { exit } = unit.state;
      unit.state = exit !== undefined && hasEnded(state) ? { ...state, exit } : state;
      unit.job = jobId === 0 ? undefined : { id: jobId, type: jobType };
      if (RUNS.has(state.active) && jobType !== 'stop') unit.interrupted = false;
    }
    this.#changed();
  }

  /**
   * Applies changed properties of a unit, by systemd's names. Returns true when the unit has failed or waits for its
   * restart; listeners hear of that only after `ended` gave the reason.
   */
  properties(name: string, changed: Readonly<Record<string, unknown>>): boolean {
    const unit = this.#units.get(name);
    if (unit === undefined) return false;
    const read = (key: string, before: string) => (typeof changed[key] === 'string' ? changed[key] : before);
    const { load, active, sub } = unit.state;
    const state = { load: read('LoadState', load), active: read('ActiveState', active), sub: read('SubState', sub) };
    if (state.load === load && state.active === active && state.sub === sub) return false;
    unit.state = state;
    if (hasEnded(state)) return true;
    this.#changed();
    return false;
  }

  /** Records how a unit ended, if known, unless its state has changed since. */
  ended(name: string, exit: UnitExit | undefined): void {
    const unit = this.#units.get(name);
    if (unit === undefined) return;
    if (exit !== undefined && hasEnded(unit.state)) unit.state = { ...unit.state, exit };
    this.#changed();
  }

  jobQueued(name: string, id: number, type: string | undefined): void {
    const unit = this.#units.get(name);
    if (unit === undefined) return;
    unit.job = { id, type };
    unit.interrupted = interrupts(type);
    this.#changed();
  }

  /** Records the type of a job, which may be over already. */
  jobType(name: string, id: number, type: string): void {
    const unit = this.#units.get(name);
    if (unit?.job?.id !== id) return;
    unit.job = { id, type };
    unit.interrupted = interrupts(type);
    this.#changed();
  }

  jobOver(name: string, id: number, result: string): void {
    const unit = this.#units.get(name);
    if (unit?.job?.id !== id) return;
    // After a stop nothing is active: the job of unknown type was a start, such as Restart= makes.
    if (unit.job.type === undefined && unit.state.active === 'active') unit.interrupted = false;
    if (result !== 'done') unit.interrupted = true;
    unit.job = undefined;
    this.#changed();
  }

  loaded(): LoadedUnit[] {
    return [...this.#units.values()].map((unit) => {
      const { name, hash, launched, state, job } = unit;
      // A job of unknown type may be a start: better wait a moment than report the unit dead. The start of an active
      // unit is over, although systemd reports that a moment later.
      const starts = job !== undefined && (job.type === undefined || STARTS.has(job.type));
      const starting = starts && state.active !== 'active';
      return { name, hash, launched, starting, ...(hasSucceeded(unit) ? { succeeded: true as const } : {}), state };
    });
  }

  states(): ReadonlyMap<string, RuntimeState> {
    return new Map([...this.#units].map(([name, { state }]) => [name, state]));
  }

  /**
   * Resolves when `holds` is true, which is evaluated now and after every change; rejects when the signal aborts first.
   */
  until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    return within(signal, (resolve) => {
      const look = () => holds() && resolve();
      look();
      return this.onChange(look);
    });
  }

  /** Calls `listener` after every change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  #changed(): void {
    this.#version++;
    for (const listener of this.#watchers) listener();
  }
}

/** Values of ActiveState for units that will still end unless a job stops them. */
const RUNS: ReadonlySet<string> = new Set(['active', 'activating', 'reloading']);
const STARTS: ReadonlySet<string> = new Set(['start', 'restart', 'try-restart', 'reload-or-start', 'verify-active']);

/** True for a stop, and for a job that was over before its type could be asked for: at shutdown that is a stop. */
function interrupts(type: string | undefined): boolean {
  return type === undefined || type === 'stop';
}

/**
 * See LoadedUnit.succeeded. systemd forgets a unit that ended with success, together with its result. A failed one it
 * keeps, and a stopped one had a stop job.
 */
function hasSucceeded({ launched, interrupted, job, state: { active, sub } }: Held): boolean {
  if (!launched || interrupted || job !== undefined) return false;
  return active === 'inactive' || (active === 'active' && sub === 'exited');
}

function hasEnded({ active, sub }: RuntimeState): boolean {
  return active === 'failed' || sub === 'auto-restart';
}

/** True for states in which no process of a unit runs. */
export function isOver(state: RuntimeState): boolean {
  return state.active === 'inactive' || state.active === 'failed';
}
