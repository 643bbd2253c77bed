import path from 'node:path';
import { FlotillaError, type Log, syncDirectory, systemReason } from '../lib/index.ts';
import { type CheckDefinition, flawOf, type Registration } from './registration.ts';
import { MACHINE } from './shown-check.ts';
import { copyOf, readServices, type StoredServices, writeServices } from './stored-services.ts';

/**
 * An edit of the stored services. Returns false when its instance or check does not exist, and throws when it would exceed a
 * limit; in both cases it has changed nothing.
 */
export type ServiceEdit = (contents: StoredServices) => boolean;

const MAX_ABSENT = 256;

interface Waiting {
  readonly edit: ServiceEdit;
  resolve(found: boolean): void;
  reject(error: unknown): void;
}

/**
 * The services that third parties registered on this machine. They outlive fleetd in one file, which is replaced whole; a
 * change is in force once it is in the file.
 */
export class ServiceRegistry {
  readonly #file: string;
  readonly #onChange: () => void;
  #contents: StoredServices;
  #waiting: Waiting[] = [];
  #running = false;

  /** `onChange` is called on every change, before the `change` that made it resolves. */
  constructor(file: string, log: Log, onChange: () => void) {
    this.#file = file;
    this.#onChange = onChange;
    this.#contents = readServices(file, log);
  }

  get services(): ReadonlyMap<string, Registration> {
    return this.#contents.services;
  }

  checksOf(instance: string): readonly CheckDefinition[] {
    return this.#contents.checks.get(instance) ?? [];
  }

  maintenanceOf(instance: string): string | undefined {
    return this.#contents.maintenance.get(instance);
  }

  /**
   * Resolves with what `edit` returned once its change is on disk and in force. Throws `unavailable` when it cannot be
   * written: then nothing has changed, or (the message says so) the change is in force and may not survive a power cut.
   * Edits run in the order of the calls, and share a write where they can.
   */
  change(edit: ServiceEdit): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ edit, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Edits of the same turn of the event loop belong in the first write.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit(this.#waiting.splice(0));
    this.#running = false;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const contents = copyOf(this.#contents);
      const outcomes = batch.map(({ edit }) => outcomeOf(edit, contents));
      if (outcomes.some(({ found }) => found)) await this.#write(contents);
      for (const [at, { resolve, reject }] of batch.entries()) {
        const { found, refusal } = outcomes[at]!;
        if (found === undefined) reject(refusal);
        else resolve(found);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  async #write(contents: StoredServices): Promise<void> {
    try {
      await writeServices(this.#file, contents);
    } catch (error) {
      const what = `cannot keep the services in ${this.#file}: ${systemReason(error)}`;
      throw new FlotillaError('unavailable', `${what}; nothing was changed, try again`);
    }
    this.#contents = contents;
    this.#onChange();
    try {
      syncDirectory(path.dirname(this.#file));
    } catch (error) {
      const what = `the services in ${this.#file} were changed, but a loss of power may undo that: ${systemReason(error)}`;
      throw new FlotillaError('unavailable', `${what}; try again`);
    }
  }
}

interface Outcome {
  readonly found?: boolean;
  readonly refusal?: unknown;
}

/** Runs one edit; its error fails no other edit of the same write. */
function outcomeOf(edit: ServiceEdit, contents: StoredServices): Outcome {
  try {
    return { found: edit(contents) };
  } catch (refusal) {
    return { refusal };
  }
}

export function putService(registration: Registration, { keepChecks }: { readonly keepChecks: boolean }): ServiceEdit {
  return ({ services, checks }) => {
    services.set(registration.id, registration);
    if (!keepChecks) checks.delete(registration.id);
    return true;
  };
}

/** Removes a service; with `only` just that registration, not one that has its id since. */
export function removeService(id: string, only?: Registration): ServiceEdit {
  return ({ services, checks, maintenance }) => {
    if (only !== undefined && services.get(id) !== only) return false;
    if (!services.delete(id)) return false;
    checks.delete(id);
    maintenance.delete(id);
    return true;
  };
}

/**
 * Adds a check, and removes it from the instance to which it was added before. Throws `too-large` when the catalog has no
 * room for an instance with all the checks added to it; those of the machine have a record each.
 */
export function addCheck(instance: string, check: CheckDefinition): ServiceEdit {
  return ({ checks }) => {
    const others = without(checks.get(instance) ?? [], check.id);
    const added = { id: instance, checks: [...others, check] };
    const flaw = instance === MACHINE ? undefined : flawOf(added);
    if (flaw !== undefined) throw new FlotillaError('too-large', `${flaw}: register fewer checks, or shorter ones`);
    for (const [other, list] of checks) putChecks(checks, other, without(list, check.id));
    // Insert it last: forgetAbsent keeps the newest.
    checks.delete(instance);
    checks.set(instance, [...others, check]);
    return true;
  };
}

/** Removes a check that was added, or came with a registration. */
export function removeCheck(id: string): ServiceEdit {
  return ({ services, checks }) => {
    const added = [...checks].filter(([, list]) => list.some((check) => check.id === id));
    const own = [...services.values()].filter((service) => service.checks.some((check) => check.id === id));
    for (const [instance, list] of added) putChecks(checks, instance, without(list, id));
    for (const service of own) services.set(service.id, { ...service, checks: without(service.checks, id) });
    return added.length + own.length > 0;
  };
}

export function setMaintenance(instance: string, reason: string | undefined): ServiceEdit {
  return ({ maintenance }) => {
    maintenance.delete(instance);
    if (reason !== undefined) maintenance.set(instance, reason);
    return true;
  };
}

/**
 * Forgets checks and maintenance of absent instances except the newest MAX_ABSENT: an instance that returns has them again,
 * and containers with ever new names do not fill the disk.
 */
export function forgetAbsent({ checks, maintenance }: StoredServices, there: ReadonlySet<string>): void {
  for (const kept of [checks, maintenance]) {
    const absent = [...kept.keys()].filter((id) => !there.has(id));
    for (const id of absent.slice(0, -MAX_ABSENT)) kept.delete(id);
  }
}

function without(checks: readonly CheckDefinition[], id: string): readonly CheckDefinition[] {
  return checks.filter((check) => check.id !== id);
}

/** Sets the checks of an instance. One without checks has no entry, since entries of ever new ids would add up. */
function putChecks(checks: StoredServices['checks'], instance: string, list: readonly CheckDefinition[]): void {
  if (list.length === 0) checks.delete(instance);
  else checks.set(instance, list);
}
