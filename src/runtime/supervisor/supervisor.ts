import { constants } from 'node:os';
import { type Clock, FlotillaError, isFlotillaError, type Log, type Random } from '../../lib/index.ts';
import type { LoadedUnit, RuntimeBatch, RuntimeState } from '../runtime.ts';
import type { LogWriter } from './journal/index.ts';
import { MemorySaver } from './memory-saver.ts';
import { NotifySockets } from './notify-sockets.ts';
import { Fifos, openCgroupTree, type ProcessGroups, ProcessTracking, readBootId } from './process/index.ts';
import type { SupervisorDirectory } from './state-directory.ts';
import { describeUnit, type UnitDescription } from './unit-description.ts';
import { UnitLogs } from './unit-logs.ts';
import { UnitRegistry } from './unit-registry.ts';
import {
  type ActiveState,
  hasSucceeded,
  isInactiveOrFailed,
  JobQueue,
  type JobType,
  type SupervisedUnit,
  type UnitHost,
  type UnitMemory,
} from './units/index.ts';

export interface SupervisorOptions {
  readonly directory: string;
  readonly machineId: string;
  readonly hostname: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Size of a unit's log file; two are kept. */
  readonly maxLogFileBytes: number;
  /** `tracking` does without control groups even where they could be had. */
  readonly groups: 'auto' | 'tracking';
}

/**
 * Runs the units of one state directory, as PID 1 runs those of a machine with systemd. It is the facade for fleetd and the
 * surroundings of the units: UnitRegistry holds them, JobQueue orders their jobs, MemorySaver writes their memory.
 */
export class Supervisor implements UnitHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly groups: ProcessGroups;
  readonly fifos: Fifos;
  readonly #directory: SupervisorDirectory;
  readonly #registry: UnitRegistry;
  readonly #jobs: JobQueue;
  readonly #saver: MemorySaver;
  readonly #notify: NotifySockets;
  readonly #logs: UnitLogs;
  #applying: Promise<unknown> = Promise.resolve();

  /** The directory must be open, and nobody else's. */
  constructor(options: SupervisorOptions, directory: SupervisorDirectory) {
    const { clock, random, machineId, hostname, log, maxLogFileBytes: maxFileBytes } = options;
    this.#directory = directory;
    this.clock = clock;
    this.random = random;
    const tree = options.groups === 'auto' ? openCgroupTree(directory.path) : undefined;
    this.groups = tree ?? new ProcessTracking(clock);
    this.fifos = new Fifos(directory.fifos, usedFifos(directory));
    this.#logs = new UnitLogs(directory, { clock, maxFileBytes });
    this.#notify = new NotifySockets({
      directory: directory.notifySockets(random),
      ...{ clock, random, log },
      receive: (unit, fields) => this.units.get(unit)?.notify(fields),
    });
    const facts = { machineId, hostname, bootId: readBootId().replaceAll('-', ''), runtimeDirectory: '/run' };
    const [notify, logs] = [this.#notify, this.#logs];
    this.#registry = new UnitRegistry({ directory, facts, notify, logs, log, host: this });
    this.#saver = new MemorySaver({ directory, clock, log, isHeld: (memory) => this.#registry.has(memory) });
    this.#jobs = new JobQueue({
      clock,
      graph: this.#registry.graph,
      units: this.units,
      say: (unit, text) => this.say(unit, text),
      jobChanged: ({ memory }) => {
        this.save(memory);
        this.#saver.publish(memory.name);
      },
    });
  }

  get units(): ReadonlyMap<string, SupervisedUnit> {
    return this.#registry.units;
  }

  /** Takes over what an earlier supervisor process of this boot left behind. */
  async adopt(): Promise<void> {
    await this.#registry.takeOver();
    for (const unit of this.units.values()) {
      const { job } = unit.memory;
      if (job !== null) this.#jobs.restore(unit, job);
      unit.resume();
    }
  }

  // ---- what the agent asks for

  loaded(): readonly LoadedUnit[] {
    return [...this.units.values()].map(({ memory }) => {
      const { name, hash, launched, job } = memory;
      const starting = job === 'start' || job === 'restart';
      const succeeded = hasSucceeded(memory) ? { succeeded: true as const } : {};
      return { name, hash, launched, starting, ...succeeded, state: this.stateOf(name)! };
    });
  }

  states(): ReadonlyMap<string, RuntimeState> {
    return new Map([...this.units.keys()].map((name) => [name, this.stateOf(name)!]));
  }

  stateOf(name: string): RuntimeState | undefined {
    const unit = this.units.get(name);
    return unit && { load: 'loaded', active: unit.active, sub: unit.memory.state, ...exitOf(unit.memory) };
  }

  /** One batch after the other; within a batch, units stop side by side. */
  apply(batch: RuntimeBatch): Promise<ReadonlyMap<string, string>> {
    const result = this.#applying.then(() => this.#apply(batch));
    this.#applying = result.catch(() => {});
    return result;
  }

  async #apply({ unload, load }: RuntimeBatch): Promise<ReadonlyMap<string, string>> {
    const refused = new Map<string, string>();
    const changed = load.filter(({ name, hash }) => this.units.get(name)?.memory.hash !== hash);
    const leaving = new Set([...unload, ...changed.map(({ name }) => name)].filter((name) => this.units.has(name)));
    await this.#stopAll(leaving);
    for (const name of leaving) this.#forget(name);
    // A unit may be unloaded and loaded again with the same hash.
    for (const { name, hash, text } of load) {
      if (this.units.has(name)) continue;
      const reason = await this.#registry.load(name, hash, text);
      if (reason === undefined) this.#saver.publish(name);
      else refused.set(name, reason);
    }
    this.#logs.prune(new Set(this.units.keys()));
    return refused;
  }

  async #stopAll(names: ReadonlySet<string>): Promise<void> {
    for (const name of names) this.#jobs.enqueue(name, 'stop');
    const up = () => [...names].filter((name) => !isInactiveOrFailed(this.units.get(name)?.active ?? 'inactive'));
    while (up().length > 0) await this.#saver.nextChange();
  }

  #forget(name: string): void {
    this.#jobs.drop(name);
    this.#registry.forget(name);
    this.#saver.publish(name);
  }

  /** All jobs are there before the first of them is carried out: so their order holds. */
  start(names: readonly string[]): ReadonlyMap<string, string> {
    const refused = new Map<string, string>();
    for (const name of names) {
      try {
        this.#start(name);
      } catch (error) {
        if (!isFlotillaError(error)) throw error;
        refused.set(name, error.message);
      }
    }
    return refused;
  }

  #start(name: string): void {
    const unit = this.#registry.get(name);
    if (unit.spec.refuseManualStart) throw new FlotillaError('conflict', `${name} may be started as a dependency only`);
    this.#enqueue(name, 'start');
    unit.memory.launched = true;
    this.save(unit.memory);
  }

  stop(name: string): void {
    const unit = this.#registry.get(name);
    this.#enqueue(name, 'stop');
    unit.memory.launched = false;
    this.save(unit.memory);
  }

  /** Sends SIGKILL to all processes of a unit; their ends are handled like any others. */
  kill(name: string): void {
    this.#registry.get(name).processes?.signal({ signal: constants.signals.SIGKILL, group: true, to: 'all' });
  }

  reload(name: string): void {
    const unit = this.#registry.get(name);
    if ((unit.spec.service?.exec.ExecReload.length ?? 0) === 0) {
      throw new FlotillaError('invalid', `${name} has no ExecReload=, so it cannot be reloaded`);
    }
    if (unit.active !== 'active')
      throw new FlotillaError('conflict', `${name} is not active, so it cannot be reloaded`);
    this.#enqueue(name, 'reload');
  }

  #enqueue(name: string, type: JobType): void {
    try {
      this.#jobs.enqueue(name, type);
    } catch (error) {
      if (error instanceof RangeError) throw new FlotillaError('conflict', error.message);
      throw error;
    }
  }

  /** All that `systemctl status` would show, but the log. */
  describe(name: string): UnitDescription | undefined {
    const unit = this.units.get(name);
    return unit && describeUnit(unit, this.#directory.unitFile(name));
  }

  /** Calls `listener` with the names of units that came, went or changed, some time after they did. */
  onChange(listener: (changed: ReadonlySet<string>) => void): () => void {
    return this.#saver.onChange(listener);
  }

  /** Writes every change, and tells the listeners, before it returns. */
  flush(): void {
    this.#saver.flush();
  }

  // ---- what units ask for

  notifySocket(unit: string): string {
    return this.#notify.addressOf(unit);
  }

  writerOf(unit: string): LogWriter {
    return this.#logs.writerOf(unit);
  }

  say(unit: string, text: string): void {
    this.#logs.say(unit, text);
  }

  changed(name: string, before: ActiveState): void {
    const unit = this.units.get(name);
    if (unit === undefined) return;
    this.#jobs.unitChanged(unit, before);
    // A service that is to be restarted has not failed yet.
    if (unit.active === 'failed' && unit.memory.restartsOver) this.#jobs.triggerOnFailure(unit);
    if (unit.active === 'inactive' && before !== 'inactive') this.#jobs.triggerOnFailure(unit, 'OnSuccess');
    this.#saver.publish(name);
  }

  restart(name: string): void {
    this.#enqueue(name, 'restart');
  }

  save(memory: UnitMemory): void {
    this.#saver.save(memory);
  }

  saveNow(memory: UnitMemory): void {
    this.#saver.saveNow(memory);
  }
}

function usedFifos(directory: SupervisorDirectory): ReadonlySet<string> {
  return new Set(directory.readUnits().flatMap(({ memory }) => memory.streams.map(({ fifo }) => fifo)));
}

/** How a unit ended that failed, or that is about to be started again. */
function exitOf({ state, result, mainExit }: UnitMemory): Pick<RuntimeState, 'exit'> {
  if (state !== 'failed' && state !== 'auto-restart') return {};
  if (mainExit === null || mainExit.code === 'unknown') return { exit: { result } };
  const { code, status } = mainExit;
  return { exit: { result, ...(code === 'exited' ? { status } : { signal: status }) } };
}
