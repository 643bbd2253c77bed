import { type Clock, FlotillaError, isFlotillaError, type Log, messageOf, type Random } from '../../lib/index.ts';
import type { LoadedUnit, RuntimeBatch, RuntimeState } from '../runtime.ts';
import { LogWriter } from './journal/index.ts';
import { NotifySockets } from './notify-sockets.ts';
import { Fifos, openCgroupTree, type ProcessGroups, ProcessTracking, readBootId } from './process/index.ts';
import { readUnit, type SpecifierFacts, type UnitSpec } from './spec/index.ts';
import type { HeldUnit, SupervisorDirectory } from './state-directory.ts';
import { describeUnit, type UnitDescription } from './unit-description.ts';
import {
  type ActiveState,
  hasSucceeded,
  isInactiveOrFailed,
  JobQueue,
  type JobType,
  newMemory,
  Service,
  Target,
  type Unit,
  UnitGraph,
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

/** Logs kept of units that are not held any more. */
const KEPT_LOGS = 200;
/** How long a disk that took no state is left alone. */
const SAVE_AGAIN_MS = 1000;

/** Holds units and runs them: what systemd's PID 1 is to a machine, for one state directory. */
export class Supervisor implements UnitHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly groups: ProcessGroups;
  readonly fifos: Fifos;
  readonly units = new Map<string, Unit>();
  readonly graph = new UnitGraph();
  readonly #options: SupervisorOptions;
  readonly #directory: SupervisorDirectory;
  readonly #facts: SpecifierFacts;
  readonly #jobs: JobQueue;
  readonly #notify: NotifySockets;
  readonly #writers = new Map<string, LogWriter>();
  readonly #unsaved = new Set<UnitMemory>();
  readonly #listeners = new Set<(changed: ReadonlySet<string>) => void>();
  readonly #waiters = new Set<() => void>();
  #changedNames = new Set<string>();
  #flushing = false;
  #savingAgain = false;
  #applying: Promise<unknown> = Promise.resolve();

  /** The directory must be open, and nobody else's. */
  constructor(options: SupervisorOptions, directory: SupervisorDirectory) {
    const { clock, random, machineId, hostname, log } = options;
    this.#options = options;
    this.#directory = directory;
    this.clock = clock;
    this.random = random;
    this.#facts = { machineId, hostname, bootId: readBootId().replaceAll('-', ''), runtimeDirectory: '/run' };
    const tree = options.groups === 'tracking' ? undefined : openCgroupTree(directory.path);
    this.groups = tree ?? new ProcessTracking(clock);
    this.#jobs = new JobQueue({
      clock,
      graph: this.graph,
      units: this.units,
      say: (unit, text) => this.say(unit, text),
      jobChanged: (unit) => {
        this.save(unit.memory);
        this.#publish(unit.memory.name);
      },
    });
    this.#notify = new NotifySockets({
      directory: directory.notifySockets(random),
      ...{ clock, random, log },
      receive: (unit, fields) => this.units.get(unit)?.notify(fields),
    });
    this.fifos = new Fifos(directory.fifos, this.#usedFifos());
  }

  #usedFifos(): ReadonlySet<string> {
    return new Set(this.#directory.readUnits().flatMap(({ memory }) => memory.streams.map(({ fifo }) => fifo)));
  }

  /** Takes over what an earlier supervisor process of this boot left behind. */
  async adopt(): Promise<void> {
    for (const unit of this.#directory.readUnits()) {
      const { memory, text, lost } = unit;
      if (lost !== undefined) this.#mend(unit, lost);
      const spec = readUnit(memory.name, text, this.#facts);
      if (typeof spec === 'string')
        this.#options.log.error('A unit cannot be taken over', { unit: memory.name, reason: spec });
      else await this.#takeOver(spec, memory);
    }
    for (const unit of this.units.values()) {
      const { job } = unit.memory;
      if (job !== null) this.#jobs.restore(unit, job);
      unit.resume();
    }
  }

  /** The agent loads the unit anew, by its hash: until then it must not run beside what runs of it already. */
  #mend(unit: HeldUnit, file: string): void {
    const how =
      this.groups.kind === 'cgroup' || unit.memory.main !== null
        ? 'it is stopped, and then started again'
        : 'what runs of it may run on beside what is started again: end it';
    this.#options.log.error(`State of a unit damaged: ${how}`, { unit: unit.memory.name, file });
    this.#directory.mend(unit);
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
      const reason = await this.#load(name, hash, text);
      if (reason !== undefined) refused.set(name, reason);
    }
    this.#directory.pruneLogs(new Set(this.units.keys()), KEPT_LOGS);
    return refused;
  }

  async #stopAll(names: ReadonlySet<string>): Promise<void> {
    for (const name of names) this.#jobs.enqueue(name, 'stop');
    const up = () => [...names].filter((name) => !isInactiveOrFailed(this.units.get(name)?.active ?? 'inactive'));
    while (up().length > 0) await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  #forget(name: string): void {
    const unit = this.units.get(name);
    if (unit === undefined) return;
    this.#jobs.drop(name);
    unit.dispose();
    this.units.delete(name);
    this.graph.remove(name);
    this.#notify.forget(name);
    this.#unsaved.delete(unit.memory);
    this.#directory.removeUnit(name);
    this.#writers.get(name)?.close();
    this.#writers.delete(name);
    this.#publish(name);
  }

  async #load(name: string, hash: string, text: string): Promise<string | undefined> {
    const spec = readUnit(name, text, this.#facts);
    if (typeof spec === 'string') return spec;
    const problem = spec.service?.type === 'notify' ? this.#notify.problem() : undefined;
    if (problem !== undefined) return `${name}: ${problem}`;
    const memory = newMemory(name, hash);
    try {
      this.#directory.writeUnitFile(name, text);
      this.#directory.writeMemory(memory);
    } catch (error) {
      this.#directory.removeUnit(name);
      return `${name}: its file cannot be written: ${messageOf(error)}`;
    }
    const unheard = await this.#listen(spec);
    if (unheard !== undefined) {
      this.#directory.removeUnit(name);
      return `${name}: ${unheard}`;
    }
    this.#hold(spec, memory);
    for (const note of spec.notes) this.say(name, `${name}: ${note}`);
    this.#publish(name);
    return undefined;
  }

  /** What runs already is held, heard or not. */
  async #takeOver(spec: UnitSpec, memory: UnitMemory): Promise<void> {
    const unheard = await this.#listen(spec);
    if (unheard !== undefined) this.#options.log.error('A unit is not heard', { unit: spec.name, reason: unheard });
    this.#hold(spec, memory);
  }

  /** Prepares for what the unit will say of itself; answers why that will not be heard. */
  async #listen({ name, service }: UnitSpec): Promise<string | undefined> {
    if (service?.type !== 'notify') return undefined;
    const problem = await this.#notify.listen(name);
    if (problem === undefined) return undefined;
    this.#notify.forget(name);
    return `its notify socket cannot be had: ${problem}`;
  }

  #hold(spec: UnitSpec, memory: UnitMemory): void {
    this.graph.add(spec);
    this.units.set(spec.name, isService(spec) ? new Service(this, spec, memory) : new Target(this, spec, memory));
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
    const unit = this.#unit(name);
    if (unit.spec.refuseManualStart) throw new FlotillaError('conflict', `${name} may be started as a dependency only`);
    this.#enqueue(name, 'start');
    unit.memory.launched = true;
    this.save(unit.memory);
  }

  stop(name: string): void {
    const unit = this.#unit(name);
    this.#enqueue(name, 'stop');
    unit.memory.launched = false;
    this.save(unit.memory);
  }

  reload(name: string): void {
    const unit = this.#unit(name);
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

  #unit(name: string): Unit {
    const unit = this.units.get(name);
    if (unit === undefined) throw new FlotillaError('not-found', `Unit ${name} is not loaded on this machine`);
    return unit;
  }

  /** All that `systemctl status` would show, but the log. */
  describe(name: string): UnitDescription | undefined {
    const unit = this.units.get(name);
    return unit && describeUnit(unit, this.#directory.unitFile(name));
  }

  /** Calls `listener` with the names of units that came, went or changed, some time after they did. */
  onChange(listener: (changed: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // ---- what units ask for

  notifySocket(unit: string): string {
    return this.#notify.addressOf(unit);
  }

  writerOf(unit: string): LogWriter {
    let writer = this.#writers.get(unit);
    if (writer === undefined) {
      const { clock, maxLogFileBytes: maxFileBytes } = this.#options;
      writer = new LogWriter(this.#directory.logDirectory(unit), { clock, maxFileBytes });
      this.#writers.set(unit, writer);
    }
    return writer;
  }

  say(unit: string, text: string): void {
    this.writerOf(unit).append('supervisor', process.pid, 'fleetd', Buffer.from(text));
  }

  changed(name: string, before: ActiveState): void {
    const unit = this.units.get(name);
    if (unit === undefined) return;
    this.#jobs.unitChanged(unit, before);
    // A service that is to be restarted has not failed yet.
    if (unit.active === 'failed' && unit.memory.restartsOver) this.#jobs.triggerOnFailure(unit);
    if (unit.active === 'inactive' && before !== 'inactive') this.#jobs.triggerOnFailure(unit, 'OnSuccess');
    this.#publish(name);
  }

  restart(name: string): void {
    this.#enqueue(name, 'restart');
  }

  save(memory: UnitMemory): void {
    this.#unsaved.add(memory);
    this.#flushSoon();
  }

  saveNow(memory: UnitMemory): void {
    try {
      this.#directory.writeMemory(memory);
      this.#unsaved.delete(memory);
    } catch (error) {
      this.#unsaved.add(memory);
      this.#cannotSave(error);
    }
  }

  // ---- after each turn

  #publish(name: string): void {
    this.#changedNames.add(name);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  /** Writes what has changed, then tells of it: nobody hears of what a power cut of this process could undo. */
  flush(): void {
    for (const memory of [...this.#unsaved]) {
      if (this.units.get(memory.name)?.memory === memory) this.saveNow(memory);
      else this.#unsaved.delete(memory);
    }
    const names = this.#changedNames;
    if (names.size === 0) return;
    this.#changedNames = new Set();
    for (const resolve of this.#waiters) resolve();
    this.#waiters.clear();
    for (const listener of this.#listeners) listener(names);
  }

  /** Units go on without their state on disk, and it is written as soon as there is room. */
  #cannotSave(error: unknown): void {
    if (this.#savingAgain) return;
    this.#savingAgain = true;
    this.#options.log.error('The state of units cannot be written', { reason: messageOf(error) });
    this.clock.after(SAVE_AGAIN_MS, () => {
      this.#savingAgain = false;
      this.#flushSoon();
    });
  }
}

/** How a unit ended that failed, or that is about to be started again. */
function exitOf({ state, result, mainExit }: UnitMemory): Pick<RuntimeState, 'exit'> {
  if (state !== 'failed' && state !== 'auto-restart') return {};
  if (mainExit === null || mainExit.code === 'unknown') return { exit: { result } };
  const { code, status } = mainExit;
  return { exit: { result, ...(code === 'exited' ? { status } : { signal: status }) } };
}

function isService(spec: UnitSpec): spec is UnitSpec & { readonly service: NonNullable<UnitSpec['service']> } {
  return spec.service !== undefined;
}
