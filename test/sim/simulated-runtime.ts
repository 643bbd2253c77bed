import type { Needs } from '../../src/model/index.ts';
import type { LoadedUnit, RuntimeBatch, RuntimeState, UnitRuntime } from '../../src/runtime/index.ts';
import type { VirtualTime } from './virtual-time.ts';

interface SimulatedUnit {
  readonly hash: string;
  /** It ends by itself, with success. */
  readonly once: boolean;
  succeeded: boolean;
  launched: boolean;
  running: boolean;
  /** Its last stop failed, as that of a program which ends with an error when it is told to stop. */
  failed: boolean;
  /** Its start job is queued: what is shown of it is what it was before. */
  starting: boolean;
  /** Virtual time at which it was started last. */
  startedAtMs: number;
}

/** How long a start job is queued. */
const QUEUED_MS = 15;
/** How long a unit with RunOnce=true runs. */
const RUN_MS = 3000;

/** What the invariants want to hear of a machine's units. */
export interface RuntimeObserver {
  started(machine: string, unit: string, hash: string): void;
  stopped(machine: string, unit: string, startedAtMs: number): void;
  /** It has ended by itself. */
  ended(machine: string, unit: string): void;
}

/** The units of one machine. It lives on when fleetd crashes and is emptied when the machine loses power. */
export class SimulatedRuntime implements UnitRuntime {
  readonly #machine: string;
  readonly #time: VirtualTime;
  readonly #observer: RuntimeObserver;
  readonly #units = new Map<string, SimulatedUnit>();
  readonly #watchers = new Set<() => void>();
  /** Why nothing can be loaded or started now: the disk is full, or what units require is not there. */
  refusal: string | undefined;

  constructor(machine: string, time: VirtualTime, observer: RuntimeObserver) {
    this.#machine = machine;
    this.#time = time;
    this.#observer = observer;
  }

  running(): string[] {
    return [...this.#units].filter(([, unit]) => unit.running).map(([name]) => name);
  }

  hashOf(name: string): string | undefined {
    return this.#units.get(name)?.hash;
  }

  names(): string[] {
    return [...this.#units.keys()];
  }

  powerOff(): void {
    this.#units.clear();
  }

  /** Ends what runs of these units without fleetd's knowledge. */
  haltAll(names: readonly string[]): void {
    for (const name of names) this.#halt(name);
    this.#changed();
  }

  async units(): Promise<LoadedUnit[]> {
    return [...this.#units].map(([name, unit]) => {
      const { hash, launched, starting, succeeded } = unit;
      return {
        name,
        hash,
        launched,
        starting,
        ...(succeeded ? { succeeded: true as const } : {}),
        state: stateOf(unit),
      };
    });
  }

  async apply(batch: RuntimeBatch): Promise<ReadonlyMap<string, string>> {
    for (const name of batch.unload) {
      this.#halt(name);
      this.#units.delete(name);
    }
    const problems = new Map<string, string>();
    for (const { name, hash, text } of batch.load) {
      if (this.#units.get(name)?.hash === hash) continue;
      if (this.refusal !== undefined) problems.set(name, this.refusal);
      else this.#units.set(name, newUnit(hash, text));
    }
    this.#changed();
    return problems;
  }

  async unloadAll(): Promise<void> {
    const held = await this.units();
    await this.apply({ unload: held.map(({ name }) => name), load: [] });
  }

  async start(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const problems = new Map<string, string>();
    for (const name of names) {
      const problem = this.#units.has(name) ? this.refusal : `Unit ${name} is not loaded on this machine`;
      if (problem === undefined) this.#start(name, this.#units.get(name)!);
      else problems.set(name, problem);
    }
    return problems;
  }

  #start(name: string, unit: SimulatedUnit): void {
    unit.launched = true;
    if (unit.running) return;
    unit.running = true;
    unit.starting = true;
    unit.succeeded = false;
    const startedAtMs = this.#time.nowMs;
    unit.startedAtMs = startedAtMs;
    if (unit.once)
      this.#time.schedule(RUN_MS, () => {
        const current = this.#units.get(name) === unit && unit.running && unit.startedAtMs === startedAtMs;
        if (current) this.#end(name, unit);
      });
    this.#observer.started(this.#machine, name, unit.hash);
    this.#time.schedule(QUEUED_MS, () => {
      unit.starting = false;
      if (unit.running) unit.failed = false;
      this.#changed();
    });
    this.#changed();
  }

  #end(name: string, unit: SimulatedUnit): void {
    unit.running = false;
    unit.succeeded = true;
    this.#observer.ended(this.#machine, name);
    this.#changed();
  }

  async stop(name: string): Promise<void> {
    const unit = this.#units.get(name);
    if (unit) {
      unit.succeeded = false;
      unit.launched = false;
      // Every other file is one whose program ends with an error when it is told to stop.
      if (unit.running) unit.failed = Number.parseInt(unit.hash.slice(0, 1), 16) % 2 === 1;
    }
    this.#halt(name);
    this.#changed();
  }

  async reload(): Promise<void> {}

  async *states(signal: AbortSignal): AsyncGenerator<ReadonlyMap<string, RuntimeState>> {
    while (!signal.aborted) {
      yield new Map([...this.#units].map(([name, unit]) => [name, stateOf(unit)]));
      await new Promise<void>((resolve) => {
        this.#watchers.add(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  async status(): Promise<{ text: string; exitCode: number }> {
    return { text: '', exitCode: 0 };
  }

  async *logs(): AsyncGenerator<string> {}

  async close(): Promise<void> {}

  #halt(name: string): void {
    const unit = this.#units.get(name);
    if (!unit?.running) return;
    unit.running = false;
    unit.starting = false;
    this.#observer.stopped(this.#machine, name, unit.startedAtMs);
  }

  #changed(): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher();
  }
}

function newUnit(hash: string, text: string): SimulatedUnit {
  const { needs } = JSON.parse(text) as { readonly needs: Partial<Needs> };
  return {
    hash,
    once: needs.runOnce === true,
    succeeded: false,
    launched: false,
    running: false,
    failed: false,
    starting: false,
    startedAtMs: 0,
  };
}

function stateOf({ running, starting, failed }: SimulatedUnit): RuntimeState {
  if (running && !starting) return { load: 'loaded', active: 'active', sub: 'running' };
  return failed
    ? { load: 'loaded', active: 'failed', sub: 'failed' }
    : { load: 'loaded', active: 'inactive', sub: 'dead' };
}
