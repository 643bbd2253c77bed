import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { FlotillaError, type Log, messageOf } from '../lib/index.ts';
import type { CheckDefinition, Registration } from './registration.ts';

interface Contents {
  readonly services: Map<string, Registration>;
  /** Checks that were added to an instance of whatever source, by the instance's id; under the empty one the machine's. */
  readonly checks: Map<string, readonly CheckDefinition[]>;
  /** Why an instance, or (empty id) the machine, is in maintenance. */
  readonly maintenance: Map<string, string>;
}

/** What third parties registered on this machine. Kept in one file, replaced whole, so that it outlives fleetd. */
export class ServiceRegistry {
  readonly #file: string;
  readonly #contents: Contents;
  #writing: Promise<void> = Promise.resolve();
  /** The write that is yet to begin, and will hold all changes made until then. */
  #next: Promise<void> | undefined;

  constructor(file: string, log: Log) {
    this.#file = file;
    this.#contents = read(file, log);
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

  // Each of these changes the contents at once and answers whether there was what it speaks of; `save` makes it last.

  put(registration: Registration, { keepChecks }: { readonly keepChecks: boolean }): boolean {
    this.#contents.services.set(registration.id, registration);
    if (!keepChecks) this.#contents.checks.delete(registration.id);
    return true;
  }

  remove(id: string): boolean {
    const { services, checks, maintenance } = this.#contents;
    if (!services.delete(id)) return false;
    checks.delete(id);
    maintenance.delete(id);
    return true;
  }

  /** Takes it from where it was added before. */
  addCheck(instance: string, check: CheckDefinition): boolean {
    const { checks } = this.#contents;
    for (const [other, list] of checks) checks.set(other, without(list, check.id));
    checks.set(instance, [...this.checksOf(instance), check]);
    return true;
  }

  /** A check that was added, or came with a registration. */
  removeCheck(id: string): boolean {
    const { services, checks } = this.#contents;
    const added = [...checks].filter(([, list]) => list.some((check) => check.id === id));
    const own = [...services.values()].filter((service) => service.checks.some((check) => check.id === id));
    for (const [instance, list] of added) checks.set(instance, without(list, id));
    for (const service of own) services.set(service.id, { ...service, checks: without(service.checks, id) });
    return added.length + own.length > 0;
  }

  setMaintenance(instance: string, reason: string | undefined): boolean {
    if (reason === undefined) this.#contents.maintenance.delete(instance);
    else this.#contents.maintenance.set(instance, reason);
    return true;
  }

  /** Resolves once everything changed before the call is on disk; throws `unavailable` when the disk does not take it. */
  save(): Promise<void> {
    if (this.#next) return this.#next;
    const next = this.#writing
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#write();
      });
    this.#next = next;
    this.#writing = next;
    return next;
  }

  async #write(): Promise<void> {
    const { services, checks, maintenance } = this.#contents;
    const text = JSON.stringify({
      services: [...services.values()],
      checks: [...checks],
      maintenance: [...maintenance],
    });
    try {
      await writeFile(`${this.#file}.new`, `${text}\n`, { mode: 0o600 });
      await rename(`${this.#file}.new`, this.#file);
    } catch (error) {
      throw new FlotillaError('unavailable', `cannot keep the services in ${this.#file}: ${messageOf(error)}`);
    }
  }
}

/** A file that cannot be read is told of and left as it is until the next change. */
function read(file: string, log: Log): Contents {
  try {
    const { services, checks, maintenance } = JSON.parse(readFileSync(file, 'utf8')) as {
      services: Registration[];
      checks: [string, CheckDefinition[]][];
      maintenance: [string, string][];
    };
    return {
      services: new Map(services.map((service) => [service.id, service])),
      checks: new Map(checks),
      maintenance: new Map(maintenance),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.error('Registered services cannot be read, beginning without', { file, error: messageOf(error) });
    return { services: new Map(), checks: new Map(), maintenance: new Map() };
  }
}

function without(checks: readonly CheckDefinition[], id: string): readonly CheckDefinition[] {
  return checks.filter((check) => check.id !== id);
}
