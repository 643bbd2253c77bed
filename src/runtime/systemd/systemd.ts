import type { Message } from 'dbus-native';
import { isFlotillaError, type Log, messageOf } from '../../lib/index.ts';
import { isTemplateName, type UnitExit } from '../../model/index.ts';
import type { RuntimeState } from '../runtime.ts';
import { HeldUnits, type ListedUnit } from './held-units.ts';
import { MANAGER, type ManagerCall, ManagerLink, type ManagerLinkOptions, SYSTEMD } from './manager-link.ts';
import { unitOfPath } from './unit-path.ts';

export type SystemdJob = 'start' | 'stop' | 'reload';

const MEMBERS: Readonly<Record<SystemdJob, string>> = { start: 'StartUnit', stop: 'StopUnit', reload: 'ReloadUnit' };

/** Milliseconds: systemd takes a while to read thousands of units. */
const RELOAD_TIMEOUT_MS = 120_000;

/** systemd's manager with the state of the held units, which its signals keep current in `units`. */
export class Systemd {
  readonly units = new HeldUnits();
  readonly #link: ManagerLink;
  readonly #log: Log;
  /** Types of the jobs that we requested: systemd signals a job before it replies to the request. */
  readonly #asked = new Map<string, SystemdJob>();
  #stale = false;
  #refreshing: Promise<void> | undefined;

  constructor(options: Omit<ManagerLinkOptions, 'onSignal' | 'onBack'>) {
    this.#log = options.log;
    this.#link = new ManagerLink({
      ...options,
      onSignal: (signal) => this.#onSignal(signal),
      onBack: (call) => this.#read(call, this.units.names),
    });
  }

  /** Resolves when systemd is reachable and its units are known. */
  async ready(): Promise<void> {
    await this.#link.ready();
  }

  /** Resolves when systemd cannot be reached over the bus; at once when it cannot be reached now. */
  gone(signal: AbortSignal): Promise<void> {
    return this.#link.gone(signal);
  }

  /** Queues a job with mode `replace`; resolves when it is accepted. Its progress shows in `units`. */
  async queue(type: SystemdJob, name: string): Promise<void> {
    this.#asked.set(name, type);
    try {
      const apply = (job: unknown) => this.units.jobQueued(name, jobIdOf(String(job)), type);
      await this.#link.call(MEMBERS[type], 'ss', [name, 'replace'], { apply });
    } finally {
      this.#asked.delete(name);
    }
  }

  /** Links files outside systemd's own directories until the next boot. */
  async link(files: readonly string[]): Promise<void> {
    await this.#link.call('LinkUnitFiles', 'asbb', [files, true, true]);
  }

  /** Applies [Install] until the next boot. */
  async enable(names: readonly string[]): Promise<void> {
    await this.#link.call('EnableUnitFiles', 'asbb', [names, true, true]);
  }

  /** Removes every link to these units; returns the number of links. */
  async disable(names: readonly string[]): Promise<number> {
    const [changes] = await this.#link.call('DisableUnitFiles', 'asb', [names, true]);
    return (changes as readonly unknown[]).length;
  }

  /** Makes systemd forget a failed unit; an unknown unit is no error. */
  async resetFailed(name: string): Promise<void> {
    try {
      await this.#link.call('ResetFailedUnit', 's', [name]);
    } catch (error) {
      if (!isFlotillaError(error, 'not-found')) throw error;
    }
  }

  /** daemon-reload; resolves when systemd has read all files and `units` is current. */
  async reload(): Promise<void> {
    await this.#link.call('Reload', '', [], { timeoutMs: RELOAD_TIMEOUT_MS });
    // The signal about the reload may have started this already.
    await (this.#refreshing ?? this.refresh());
  }

  /** True when systemd has one of these units in memory, even if only because another unit names it. */
  async knowsAny(names: readonly string[]): Promise<boolean> {
    const known = await Promise.all(names.map((name) => this.#knows(name)));
    return known.includes(true);
  }

  async #knows(name: string): Promise<boolean> {
    // Templates cannot be listed, and instances may be loaded: assume so.
    if (isTemplateName(name)) return true;
    try {
      await this.#link.call('GetUnit', 's', [name]);
      return true;
    } catch (error) {
      if (isFlotillaError(error, 'not-found')) return false;
      throw error;
    }
  }

  /** Reads the states of these units; systemd reads files that it does not know yet first. */
  async readUnits(names: readonly string[]): Promise<void> {
    await this.#read(this.#link.call, names);
  }

  /** Reads all held units anew; calls during one refresh share the next. */
  refresh(): Promise<void> {
    this.#stale = true;
    this.#refreshing ??= this.#readAll().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    this.#link.close();
  }

  async #readAll(): Promise<void> {
    while (this.#stale) {
      this.#stale = false;
      await this.#read(this.#link.call, this.units.names);
    }
  }

  async #read(call: ManagerCall, held: readonly string[]): Promise<void> {
    // A template has no state, and systemd does not list it.
    const names = held.filter((name) => !isTemplateName(name));
    if (names.length === 0) return;
    const apply = (list: unknown) => this.units.listed((list as unknown[][]).map(readListed));
    await call('ListUnitsByNames', 'as', [names], { apply });
  }

  #onSignal({ interface: interfaceName, member, path, body = [] }: Message): void {
    if (member === 'PropertiesChanged') {
      const name = unitOfPath(path!);
      if (this.units.properties(name, body[1] as Record<string, unknown>)) void this.#readExit(path!, name);
    } else if (interfaceName === MANAGER && member === 'JobNew') {
      this.#onJobNew(body as [number, string, string]);
    } else if (interfaceName === MANAGER && member === 'JobRemoved') {
      this.#onJobRemoved(body as [number, string, string, string]);
    } else if (interfaceName === MANAGER && member === 'Reloading' && body[0] === false) {
      this.refresh().catch((error) => this.#log.warn('Units cannot be read', { error: messageOf(error) }));
    }
  }

  /** Called only for units that failed, so that a start costs no additional call. */
  async #readExit(path: string, name: string): Promise<void> {
    const property = (key: string) => this.#link.property(path, `${SYSTEMD}.Service`, key);
    const read = Promise.all(['Result', 'ExecMainCode', 'ExecMainStatus'].map(property));
    // The unit is no service or is gone: its exit is unknown.
    const exit = await read.then(([result, code, status]) => exitOf(result, code, status)).catch(() => undefined);
    this.units.ended(name, exit);
  }

  #onJobNew([id, path, name]: readonly [number, string, string]): void {
    if (!this.units.has(name)) return;
    const type = this.#asked.get(name);
    this.units.jobQueued(name, id, type);
    // A job that we did not request. If it is over before its type can be asked for, report it as over.
    if (type === undefined)
      this.#link.property(path, `${SYSTEMD}.Job`, 'JobType').then(
        (found) => this.units.jobType(name, id, String(found)),
        () => {},
      );
  }

  #onJobRemoved([id, , name, result]: readonly [number, string, string, string]): void {
    if (!this.units.has(name)) return;
    const type = this.units.get(name)?.job?.type;
    if (!QUIET.has(result)) this.#log.warn('A job of a unit came to nothing', { unit: name, job: type, result });
    this.units.jobOver(name, id, result);
  }
}

const CLD_EXITED = 1;

/** Combines systemd's Result with code (see waitid(2)) and status of the main process; the code is 0 without one. */
function exitOf(result: unknown, code: unknown, status: unknown): UnitExit {
  if (Number(code) === 0) return { result: String(result) };
  return { result: String(result), [Number(code) === CLD_EXITED ? 'status' : 'signal']: Number(status) };
}

/** Job results that are not logged. */
const QUIET: ReadonlySet<string> = new Set(['done', 'canceled', 'skipped']);

function jobIdOf(path: string): number {
  return Number(path.slice(path.lastIndexOf('/') + 1));
}

/** (ssssssouso): name, description, load, active, sub, following, unit, job id, job type, job. */
function readListed(fields: readonly unknown[]): ListedUnit {
  const [name, , load, active, sub, , , jobId, jobType] = fields as [string, string, ...string[]];
  const state: RuntimeState = { load: load!, active: active!, sub: sub! };
  return { name, state, jobId: Number(jobId), jobType: jobType! };
}
