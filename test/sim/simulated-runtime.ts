import type { LoadedUnit, RuntimeBatch, RuntimeState, UnitRuntime } from '../../src/runtime/index.ts';
import type { VirtualTime } from './virtual-time.ts';

interface SimulatedUnit {
  readonly hash: string;
  launched: boolean;
  running: boolean;
  /** Virtual time at which it was started last. */
  startedAtMs: number;
}

/** What the invariants want to hear of a machine's units. */
export interface RuntimeObserver {
  started(machine: string, unit: string, hash: string): void;
  stopped(machine: string, unit: string, startedAtMs: number): void;
}

/** The units of one machine. It lives on when fleetd crashes and is emptied when the machine loses power. */
export class SimulatedRuntime implements UnitRuntime {
  readonly #machine: string;
  readonly #time: VirtualTime;
  readonly #observer: RuntimeObserver;
  readonly #units = new Map<string, SimulatedUnit>();
  readonly #watchers = new Set<() => void>();

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
    return [...this.#units].map(([name, { hash, launched, running }]) => {
      return { name, hash, launched, starting: false, state: stateOf(running) };
    });
  }

  async apply(batch: RuntimeBatch): Promise<ReadonlyMap<string, string>> {
    for (const name of batch.unload) {
      this.#halt(name);
      this.#units.delete(name);
    }
    for (const { name, hash } of batch.load) {
      if (this.#units.get(name)?.hash === hash) continue;
      this.#units.set(name, { hash, launched: false, running: false, startedAtMs: 0 });
    }
    this.#changed();
    return new Map();
  }

  async start(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    for (const name of names) this.#start(name);
    return new Map();
  }

  #start(name: string): void {
    const unit = this.#units.get(name);
    if (!unit) throw new Error(`start of ${name}, which is not loaded`);
    unit.launched = true;
    if (unit.running) return;
    unit.running = true;
    unit.startedAtMs = this.#time.nowMs;
    this.#observer.started(this.#machine, name, unit.hash);
    this.#changed();
  }

  async stop(name: string): Promise<void> {
    const unit = this.#units.get(name);
    if (unit) unit.launched = false;
    this.#halt(name);
    this.#changed();
  }

  async reload(): Promise<void> {}

  async *states(signal: AbortSignal): AsyncGenerator<ReadonlyMap<string, RuntimeState>> {
    while (!signal.aborted) {
      yield new Map([...this.#units].map(([name, { running }]) => [name, stateOf(running)]));
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
    this.#observer.stopped(this.#machine, name, unit.startedAtMs);
  }

  #changed(): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher();
  }
}

function stateOf(running: boolean): RuntimeState {
  return running
    ? { load: 'loaded', active: 'active', sub: 'running' }
    : { load: 'loaded', active: 'inactive', sub: 'dead' };
}
