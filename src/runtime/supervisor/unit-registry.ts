import { FlotillaError, type Log, messageOf } from '../../lib/index.ts';
import type { NotifySockets } from './notify-sockets.ts';
import { readUnit, type SpecifierFacts, type UnitSpec } from './spec/index.ts';
import type { HeldUnit, SupervisorDirectory } from './state-directory.ts';
import type { UnitLogs } from './unit-logs.ts';
import {
  newMemory,
  Service,
  type SupervisedUnit,
  Target,
  UnitGraph,
  type UnitHost,
  type UnitMemory,
} from './units/index.ts';

export interface UnitRegistryOptions {
  readonly directory: SupervisorDirectory;
  readonly facts: SpecifierFacts;
  readonly notify: NotifySockets;
  readonly logs: UnitLogs;
  readonly log: Log;
  /** The surroundings of each unit. */
  readonly host: UnitHost;
}

/** The units held here: by name, by their dependencies, and as files in the state directory. */
export class UnitRegistry {
  readonly units = new Map<string, SupervisedUnit>();
  readonly graph = new UnitGraph();
  readonly #options: UnitRegistryOptions;

  constructor(options: UnitRegistryOptions) {
    this.#options = options;
  }

  get(name: string): SupervisedUnit {
    const unit = this.units.get(name);
    if (unit === undefined) throw new FlotillaError('not-found', `Unit ${name} is not loaded on this machine`);
    return unit;
  }

  has(memory: UnitMemory): boolean {
    return this.units.get(memory.name)?.memory === memory;
  }

  /** Holds the units of an earlier supervisor process of this boot, also those whose notify socket cannot be had. */
  async takeOver(): Promise<void> {
    const { directory, facts, log } = this.#options;
    for (const unit of directory.readUnits()) {
      const { memory, text, lost } = unit;
      const { name } = memory;
      if (lost !== undefined) this.#mend(unit, lost);
      const spec = readUnit(name, text, facts);
      if (typeof spec === 'string') {
        log.error('A unit cannot be taken over', { unit: name, reason: spec });
        continue;
      }
      const unheard = await this.#listen(spec);
      if (unheard !== undefined) log.error('A unit is not heard', { unit: name, reason: unheard });
      this.#hold(spec, memory);
    }
  }

  /** The agent loads the unit anew, by its hash: until then it must not run beside what runs of it already. */
  #mend(unit: HeldUnit, file: string): void {
    const { directory, host, log } = this.#options;
    const how =
      host.groups.kind === 'cgroup' || unit.memory.main !== null
        ? 'it is stopped, and then started again'
        : 'what runs of it may run on beside what is started again: end it';
    log.error(`State of a unit damaged: ${how}`, { unit: unit.memory.name, file });
    directory.mend(unit);
  }

  /** Holds a new unit; returns the reason where it cannot. */
  async load(name: string, hash: string, text: string): Promise<string | undefined> {
    const { directory, facts, notify, logs } = this.#options;
    const spec = readUnit(name, text, facts);
    if (typeof spec === 'string') return spec;
    const problem = spec.service?.type === 'notify' ? notify.problem() : undefined;
    if (problem !== undefined) return `${name}: ${problem}`;
    const memory = newMemory(name, hash);
    try {
      directory.writeUnitFile(name, text);
      directory.writeMemory(memory);
    } catch (error) {
      directory.removeUnit(name);
      return `${name}: its file cannot be written: ${messageOf(error)}`;
    }
    const unheard = await this.#listen(spec);
    if (unheard !== undefined) {
      directory.removeUnit(name);
      return `${name}: ${unheard}`;
    }
    this.#hold(spec, memory);
    for (const note of spec.notes) logs.say(name, `${name}: ${note}`);
    return undefined;
  }

  /** Opens the notify socket of a unit that needs one; returns the reason when that fails. */
  async #listen({ name, service }: UnitSpec): Promise<string | undefined> {
    const { notify } = this.#options;
    if (service?.type !== 'notify') return undefined;
    const problem = await notify.listen(name);
    if (problem === undefined) return undefined;
    notify.forget(name);
    return `its notify socket cannot be had: ${problem}`;
  }

  #hold(spec: UnitSpec, memory: UnitMemory): void {
    const { host } = this.#options;
    this.graph.add(spec);
    this.units.set(spec.name, isService(spec) ? new Service(host, spec, memory) : new Target(host, spec, memory));
  }

  /** Lets go of a unit that has ended, with its files; its log stays. */
  forget(name: string): void {
    const { directory, notify, logs } = this.#options;
    this.units.get(name)?.dispose();
    this.units.delete(name);
    this.graph.remove(name);
    notify.forget(name);
    directory.removeUnit(name);
    logs.close(name);
  }
}

function isService(spec: UnitSpec): spec is UnitSpec & { readonly service: NonNullable<UnitSpec['service']> } {
  return spec.service !== undefined;
}
