import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guardAtMs, type LeaseMemory, type PromiseMemory } from '../agent/index.ts';
import {
  type Clock,
  FlotillaError,
  type Log,
  makePrivateDirectory,
  type Random,
  readStateFile,
  replaceStateFile,
  syncDirectory,
  systemReason,
  uptimeMs,
} from '../lib/index.ts';
import { formatPromiseLine, type PromiseLine, parsePromiseLine } from './promise-line.ts';

const PROMISE_FILE = 'stop-promise';

/** What fleetd keeps on disk over restarts. Files are replaced whole, never half written. */
export class StateDirectory {
  readonly path: string;
  readonly #log: Log;

  constructor(path: string, log: Log) {
    this.path = path;
    this.#log = log;
    try {
      makePrivateDirectory(path);
    } catch (error) {
      throw new FlotillaError('usage', `cannot use state_directory ${path}: ${systemReason(error)}`);
    }
  }

  /**
   * Tells this machine from another one with the same id; made once, survives reboots. A damaged one is replaced, as
   * nobody can know it any more; one that cannot be read may still be whole, so fleetd does not start beside it.
   */
  token(random: Random): string {
    const existing = this.#readToken();
    if (existing !== undefined && /^[0-9a-f]{32}$/.test(existing)) return existing;
    if (existing !== undefined)
      this.#log.warn(
        'Token replaced, it was damaged: until the lease of the last start ends, this machine is refused',
        {
          file: join(this.path, 'token'),
        },
      );
    const token = random.hex(16);
    try {
      this.#write('token', token, 'durable');
    } catch (error) {
      const { path: file = '' } = error as NodeJS.ErrnoException;
      const where = `state_directory ${this.path}: ${systemReason(error)}`;
      throw new FlotillaError('usage', `cannot write to ${where}${file === '' ? '' : ` (${file})`}`);
    }
    return token;
  }

  #readToken(): string | undefined {
    const file = join(this.path, 'token');
    try {
      return readStateFile(file).trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      // What stands there is no file: it cannot be whole.
      if (code === undefined || code === 'ELOOP') return '';
      const remedy = 'make it readable, or remove it and this machine joins once its last lease has ended';
      throw new FlotillaError('usage', `cannot read ${file}: ${systemReason(error)}; ${remedy}`);
    }
  }

  /** The lease is remembered together with the boot in which it was held: a machine that rebooted holds none. */
  leaseMemory(bootId: string): LeaseMemory {
    return {
      load: () => {
        const [boot, lease] = this.#read('lease')?.trim().split(' ') ?? [];
        if (lease === undefined || boot !== bootId) return undefined;
        if (/^\d{1,19}$/.test(lease)) return lease;
        const file = join(this.path, 'lease');
        this.#log.warn('Lease of the last start unknown, its file is damaged: this machine takes another one', {
          file,
        });
        return undefined;
      },
      save: (lease) => this.#write('lease', `${bootId} ${lease}`),
    };
  }

  /** Where services registered by third parties are kept. */
  get servicesFile(): string {
    return join(this.path, 'services.json');
  }

  /** Where the router process leaves word of itself. */
  get routerDirectory(): string {
    return join(this.path, 'router');
  }

  /** Where fleetd writes down which units it has promised to stop; see PromiseLine. */
  get promiseFile(): string {
    return join(this.path, PROMISE_FILE);
  }

  promiseMemory(bootId: string, clock: Clock): PromiseMemory {
    const offsetMs = () => uptimeMs() - clock.monotonic();
    return {
      load: () => {
        const found = this.#readPromise();
        if (found?.boot !== bootId) return undefined;
        return { units: found.units, stopAtMs: found.stopAtMs - offsetMs(), endMs: found.endMs - offsetMs() };
      },
      save: (promise) => {
        if (!promise) return this.#remove(PROMISE_FILE);
        const byMs = offsetMs();
        const { units, stopAtMs, endMs } = promise;
        const uptimes = { stopAtMs: stopAtMs + byMs, guardAtMs: guardAtMs(promise) + byMs, endMs: endMs + byMs };
        const line = formatPromiseLine({ boot: bootId, units, ...uptimes });
        try {
          this.#write(PROMISE_FILE, line);
        } catch (error) {
          this.#overwrite(PROMISE_FILE, line, error);
        }
      },
    };
  }

  /** Undefined also for a line that is not whole, which the guard passes over as well. */
  #readPromise(): PromiseLine | undefined {
    let because = 'it is damaged';
    try {
      const found = parsePromiseLine(readStateFile(this.promiseFile));
      if (found) return found;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      because = systemReason(error);
    }
    this.#log.warn('Promise to stop units lost: they run on until the store is reached', {
      file: this.promiseFile,
      error: because,
    });
    return undefined;
  }

  forgetLease(): void {
    this.#remove('lease');
  }

  /** For whoever started fleetd: written when the machine has joined, removed when fleetd ends. */
  announceReady(facts: Readonly<Record<string, unknown>>): void {
    this.#write('ready.json', JSON.stringify(facts));
  }

  withdrawReady(): void {
    this.#remove('ready.json');
  }

  /** Whatever stands there. */
  #remove(name: string): void {
    rmSync(join(this.path, name), { recursive: true, force: true });
  }

  #read(name: string): string | undefined {
    try {
      return readStateFile(join(this.path, name));
    } catch {
      return undefined;
    }
  }

  /**
   * A full disk has room for what stands in the place of another line. A longer line may not fit after all: then the one
   * before it is put back, and `why` the file could not be replaced is thrown.
   */
  #overwrite(name: string, line: string, why: unknown): void {
    const path = join(this.path, name);
    const before = this.#read(name);
    if (before === undefined) throw why;
    try {
      writeFileSync(path, `${line}\n`, { flag: 'r+' });
    } catch {
      writeFileSync(path, before, { flag: 'r+' });
      throw why;
    }
  }

  /** `durable`: also for after a loss of power. What belongs to one boot need not be. */
  #write(name: string, content: string, lasting: 'durable' | 'volatile' = 'volatile'): void {
    replaceStateFile(join(this.path, name), `${content}\n`, { flush: lasting === 'durable' });
    if (lasting === 'durable') syncDirectory(this.path);
  }
}
