import {
  Agent,
  type Draining,
  guardAtMs,
  Presence,
  type PromiseMemory,
  type StopPromise,
} from '../../src/agent/index.ts';
import { openCluster } from '../../src/cluster/index.ts';
import { Engine } from '../../src/engine/index.ts';
import { createLog, type Log } from '../../src/lib/index.ts';
import type { Machine } from '../../src/model/index.ts';
import type { UnitRuntime } from '../../src/runtime/index.ts';
import type { Invariants } from './invariants.ts';
import { SimulatedRuntime } from './simulated-runtime.ts';
import { type Link, type Mutant, StoreClient } from './store-client.ts';
import type { StoreServer } from './store-server.ts';
import { ProcessClock, type SeededRandom, type VirtualTime } from './virtual-time.ts';

export const TTL_MS = 5000;
export const RECONCILE_MS = 2000;
/** How long a unit runs on before it is stopped, so that requests under way can end. */
export const DRAIN_MS = 1500;

export interface SimulatedWorldParts {
  readonly server: StoreServer;
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly observer: Invariants;
  readonly mutant?: Mutant | undefined;
  /** Log lines with time and machine, for whoever looks into a failing seed. */
  readonly trace?: ((line: string) => void) | undefined;
}

interface Process {
  readonly clock: ProcessClock;
  readonly stop: () => Promise<void>;
}

/** One machine: the real presence, agent and engine on a simulated store connection, clock and runtime. */
export class SimulatedMachine {
  readonly id: string;
  readonly link: Link = { open: true, lossRate: 0, stuckRate: 0, maxDelayMs: 4, onOpen: new Set() };
  readonly runtime: SimulatedRuntime;
  readonly metadata: Record<string, string>;
  /** Nothing new can be written down; what is there already can be written over. */
  diskIsFull = false;
  readonly #parts: SimulatedWorldParts;
  readonly #token: string;
  /** What a fleetd that restarts finds on disk; lost with the power. */
  #lease: string | undefined;
  /** Its times are those of the world. */
  #promise: StopPromise | undefined;
  #process: Process | undefined;
  /** A fleetd that has been told to stop. */
  #leaving: Process | undefined;

  constructor(id: string, metadata: Record<string, string>, parts: SimulatedWorldParts) {
    this.id = id;
    this.metadata = metadata;
    this.#parts = parts;
    this.#token = parts.random.hex(8);
    this.runtime = new SimulatedRuntime(id, parts.time, parts.observer);
  }

  get up(): boolean {
    return this.#process !== undefined;
  }

  /** Starts fleetd, which finds whatever runs already. */
  start(): void {
    if (this.#process) return;
    // A predecessor that has not finished stopping is killed first, as systemd does it.
    if (this.#leaving) this.#leaving.clock.dead = true;
    this.#leaving = undefined;
    this.#parts.observer.stoppedCleanly(this.id, false);
    const { server, time, random, mutant } = this.#parts;
    const clock = new ProcessClock(time, 0.98 + random.float() * 0.04);
    const store = new StoreClient({ server, time, clock, random, link: this.link, machine: this.id, mutant });
    const log = this.#log();
    const cluster = openCluster({ store, prefix: '/sim/', clock, random, log });
    const stopping = new AbortController();
    const common = { cluster, clock, random, log, signal: stopping.signal, ttlMs: TTL_MS, machine: this.id };
    const memory = {
      load: () => this.#lease,
      save: (lease: string) => {
        if (this.diskIsFull) throw new Error('no space left on device');
        this.#lease = lease;
      },
    };
    const presence = new Presence({ ...common, machine: () => this.#describe(), token: this.#token, memory });
    const agent = new Agent({
      ...common,
      presence,
      promises: this.#promises(clock),
      draining: drainingBy(clock),
      runtime: heardBy(clock, this.runtime),
      reconcileIntervalMs: RECONCILE_MS,
    });
    const engine = new Engine({ ...common, presence, reconcileIntervalMs: RECONCILE_MS });
    const stop = async () => {
      stopping.abort(new Error('fleetd is stopping'));
      await engine.resign().catch(() => {});
      await agent.unloadAll().catch(() => {});
      await presence.leave().catch(() => {});
      this.#lease = undefined;
    };
    this.#process = { clock, stop };
  }

  /** kill -9 of fleetd: the units live on. */
  crash(): void {
    for (const process of [this.#process, this.#leaving]) if (process) process.clock.dead = true;
    this.#process = undefined;
    this.#leaving = undefined;
  }

  powerOff(): void {
    this.crash();
    this.#lease = undefined;
    this.#promise = undefined;
    this.runtime.powerOff();
    this.#parts.observer.lostPower(this.id);
  }

  /** SIGSTOP of fleetd, until `goOn`. */
  standStill(): void {
    this.#process?.clock.standStill();
    this.#parts.observer.stoodStill(this.id);
  }

  goOn(): void {
    this.#process?.clock.goOn();
    this.#parts.observer.wentOn(this.id);
  }

  /** SIGTERM of fleetd. */
  stop(): void {
    if (!this.#process) return;
    this.goOn();
    this.#parts.observer.stoppedCleanly(this.id, true);
    void this.#process.stop();
    this.#leaving = this.#process;
    this.#process = undefined;
  }

  jumpClock(offsetMs: number): void {
    if (this.#process) this.#process.clock.offsetMs = offsetMs;
  }

  cut(): void {
    this.link.open = false;
  }

  heal(): void {
    this.link.open = true;
    this.link.lossRate = 0;
    this.link.stuckRate = 0;
    this.link.maxDelayMs = 4;
    for (const fn of [...this.link.onOpen]) fn();
  }

  /** What a machine's guard does (bin/fleetd-guard, or the supervisor): keeps a promise that nobody has renewed. */
  #promises(clock: ProcessClock): PromiseMemory {
    const { time } = this.#parts;
    const shifted = (promise: StopPromise | undefined, byMs: number) =>
      promise && { ...promise, stopAtMs: promise.stopAtMs + byMs, endMs: promise.endMs + byMs };
    const offsetMs = () => time.nowMs - clock.monotonic();
    return {
      load: () => shifted(this.#promise, -offsetMs()),
      save: (promise) => {
        if (promise && !this.#promise && this.diskIsFull) throw new Error('no space left on device');
        const remembered = shifted(promise, offsetMs());
        this.#promise = remembered;
        if (!remembered) return;
        time.schedule(guardAtMs(remembered) - time.nowMs, () => {
          if (this.#promise === remembered) this.runtime.haltAll(remembered.units);
        });
      },
    };
  }

  #describe(): Machine {
    return {
      id: this.id,
      address: this.id,
      metadata: this.metadata,
      resources: { cores: 1, memoryBytes: 0 },
      version: '',
    };
  }

  #log(): Log {
    const { trace, time } = this.#parts;
    return createLog(trace ? (line) => trace(`${(time.nowMs / 1000).toFixed(3)} ${this.id} ${line}`) : () => {});
  }
}

/** Every unit offers something. */
function drainingBy(clock: ProcessClock): Draining {
  const sinceMs = new Map<string, number>();
  return {
    leave(unit) {
      const began = sinceMs.get(unit) ?? clock.monotonic();
      sinceMs.set(unit, began);
      return Math.max(0, began + DRAIN_MS - clock.monotonic());
    },
    stay: (unit) => void sinceMs.delete(unit),
  };
}

/** The runtime as one process hears of it: not while that stands still. */
function heardBy(clock: ProcessClock, runtime: SimulatedRuntime): UnitRuntime {
  return new Proxy<UnitRuntime>(runtime, {
    get(target, name) {
      if (name === 'states') return (signal: AbortSignal) => statesHeard(clock, runtime, signal);
      const member = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

async function* statesHeard(clock: ProcessClock, runtime: SimulatedRuntime, signal: AbortSignal) {
  for await (const states of runtime.states(signal)) {
    await clock.sleep(0.1, signal);
    yield states;
  }
}
