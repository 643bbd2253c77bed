import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { FlotillaError, type Log, messageOf } from '../lib/index.ts';
import type { CheckDefinition, Registration } from './registration.ts';

interface Contents {
  readonly services: Map<string, Registration>;
  /** Checks that were added to an instance of whatever source, by the instance's id. */
  readonly checks: Map<string, readonly CheckDefinition[]>;
  /** Why an instance is in maintenance, by its id. */
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

  /** Changes the contents at once; `save` makes it last. */
  change(edit: (contents: Contents) => void): void {
    edit(this.#contents);
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
