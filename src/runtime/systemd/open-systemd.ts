import { type Clock, FlotillaError, type Log, messageOf, type Random, trimEnd } from '../../lib/index.ts';
import { parseUnitFile } from '../../unitfile/index.ts';
import type { LoadedUnit, LogsOptions, RuntimeBatch, RuntimeState, UnitRuntime } from '../runtime.ts';
import { linesOfProgram, runProgram } from './programs.ts';
import { startOrder } from './start-order.ts';
import { Systemd } from './systemd.ts';
import { hasInstall, throwUnlessRefusal, UnitBatch } from './unit-batch.ts';
import { UnitRecords } from './unit-records.ts';

export interface OpenSystemdOptions {
  /** The directory for unit files. systemd links to them, so they must stay there. */
  readonly unitsDirectory: string;
  /** Use the systemd instance of the current user instead of the machine's. */
  readonly user?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** D-Bus address of the bus with systemd; by default the system bus or the user's own. */
  readonly busAddress?: string;
}

/** Milliseconds for which changes are collected after the first one, since each round looks at all units. */
const FOLD_MS = 10;

/**
 * Opens the runtime of a machine with systemd: units are files in `unitsDirectory`, linked until the next boot. Adopts
 * the units of an earlier fleetd. Rejects with `unavailable` when systemd does not respond.
 */
export async function openSystemd(options: OpenSystemdOptions): Promise<UnitRuntime> {
  const { unitsDirectory, user = false, clock, random, log } = options;
  const own = `unix:path=/run/user/${process.getuid?.()}/bus`;
  const address = options.busAddress ?? (user ? own : 'unix:path=/run/dbus/system_bus_socket');
  const records = openRecords(unitsDirectory, log);
  const systemd = new Systemd({ address, clock, random, log });
  const found = records.read();
  for (const [name, { hash, launched }] of found) systemd.units.hold(name, hash, launched);
  try {
    await systemd.ready();
    if (records.unfinished) await finish(systemd, records, [...found.keys()]);
  } catch (error) {
    systemd.close();
    throw error;
  }
  return new SystemdRuntime(systemd, records, user, clock);
}

function openRecords(directory: string, log: Log): UnitRecords {
  try {
    return new UnitRecords(directory, log);
  } catch (error) {
    throw new FlotillaError('usage', `units_directory ${directory} cannot be used: ${messageOf(error)}`);
  }
}

/** Finishes an interrupted batch: a fleetd that was killed may have left files that systemd has not read. */
async function finish(systemd: Systemd, records: UnitRecords, names: readonly string[]): Promise<void> {
  const installed = names.filter((name) => hasInstall(parseUnitFile(records.textOf(name)).options));
  if (names.length > 0) await systemd.link(names.map((name) => records.fileOf(name)));
  if (installed.length > 0) await systemd.enable(installed);
  await systemd.reload();
  records.finish();
}

class SystemdRuntime implements UnitRuntime {
  readonly #systemd: Systemd;
  readonly #records: UnitRecords;
  readonly #scope: readonly string[];
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #applying: Promise<unknown> = Promise.resolve();

  constructor(systemd: Systemd, records: UnitRecords, user: boolean, clock: Clock) {
    this.#clock = clock;
    this.#systemd = systemd;
    this.#records = records;
    this.#scope = user ? ['--user'] : [];
  }

  async units(): Promise<LoadedUnit[]> {
    await this.#systemd.ready();
    return this.#systemd.units.loaded();
  }

  /** Batches run one after the other; within a batch, units stop in parallel. */
  apply(batch: RuntimeBatch): Promise<ReadonlyMap<string, string>> {
    const result = this.#applying.then(async () => {
      const task = new UnitBatch(this.#systemd, this.#records, this.#closing.signal);
      await task.run(batch);
      return task.refused;
    });
    this.#applying = result.catch(() => {});
    return result;
  }

  async unloadAll(): Promise<void> {
    const waiting = new AbortController();
    const unload = this.#systemd.units.names;
    const busLost = this.#systemd.gone(waiting.signal).then(() => 'lost' as const);
    const done = this.apply({ unload, load: [] }).then(() => 'done' as const);
    done.catch(() => {});
    try {
      if ((await Promise.race([done, busLost])) === 'lost') await this.#unloadWithoutBus(unload);
    } finally {
      waiting.abort();
    }
  }

  /**
   * Unloads by systemctl: at shutdown the bus may stop before fleetd where fleetd.service lacks After=dbus.service. As
   * root, systemctl talks to /run/systemd/private, and `stop` waits until the units have stopped.
   */
  async #unloadWithoutBus(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    await runProgram('systemctl', [...this.#scope, 'stop', '--', ...names]);
    await runProgram('systemctl', [...this.#scope, 'disable', '--runtime', '--', ...names]);
    for (const name of names) {
      this.#records.remove(name);
      this.#systemd.units.forget(name);
    }
  }

  async start(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const refused = new Map<string, string>();
    const queue = async (name: string) => {
      try {
        this.#mustHold(name);
        await this.#systemd.queue('start', name);
        this.#setLaunched(name, true);
      } catch (error) {
        throwUnlessRefusal(error);
        refused.set(name, messageOf(error));
      }
    };
    // Calls reach systemd in the order in which they are made.
    await Promise.all(this.#inOrder(names).map(queue));
    return refused;
  }

  /** Orders names by dependency: systemd orders a job only after jobs that it has already. */
  #inOrder(names: readonly string[]): readonly string[] {
    if (names.length < 2) return names;
    return startOrder(new Map(names.map((name) => [name, parseUnitFile(this.#records.textOf(name)).options])));
  }

  async stop(name: string): Promise<void> {
    this.#mustHold(name);
    try {
      await this.#systemd.queue('stop', name);
    } catch (error) {
      // systemd has forgotten the unit since it does not run.
      if (!(error instanceof FlotillaError && error.code === 'not-found')) throw error;
    }
    this.#setLaunched(name, false);
  }

  async reload(name: string): Promise<void> {
    this.#mustHold(name);
    if (this.#systemd.units.get(name)?.state.active !== 'active')
      throw new FlotillaError('conflict', `${name} is not active, so it cannot be reloaded`);
    await this.#systemd.queue('reload', name);
  }

  async *states(signal: AbortSignal): AsyncGenerator<ReadonlyMap<string, RuntimeState>> {
    const { units } = this.#systemd;
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    for (let seen = -1; !ended.aborted; ) {
      seen = units.version;
      const toldAtMs = this.#clock.monotonic();
      yield units.states();
      await units.until(() => units.version !== seen, ended).catch(() => {});
      const restMs = toldAtMs + FOLD_MS - this.#clock.monotonic();
      if (restMs > 0) await this.#clock.sleep(restMs, ended).catch(() => {});
    }
  }

  async status(name: string, { lines }: { readonly lines?: number } = {}): Promise<{ text: string; exitCode: number }> {
    const count = lines === undefined ? [] : ['--lines', String(lines)];
    const args = [...this.#scope, 'status', '--full', '--no-pager', ...count, '--', name];
    const { text, exitCode } = await runProgram('systemctl', args);
    return { text: trimEnd(text, '\n'), exitCode };
  }

  async *logs(name: string, { lines, follow, output, signal }: LogsOptions): AsyncGenerator<string> {
    const unit = this.#scope.length > 0 ? `--user-unit=${name}` : `--unit=${name}`;
    const args = [unit, '--no-pager', `--lines=${lines}`, `--output=${output}`];
    // Suppress "-- No entries --", which is not JSON.
    if (output.startsWith('json')) args.push('--quiet');
    if (follow) args.push('--follow');
    yield* linesOfProgram('journalctl', args, AbortSignal.any([signal, this.#closing.signal]));
  }

  async close(): Promise<void> {
    this.#closing.abort(new FlotillaError('unavailable', 'The connection to systemd was closed'));
    this.#systemd.close();
  }

  #mustHold(name: string): void {
    if (!this.#systemd.units.has(name))
      throw new FlotillaError('not-found', `Unit ${name} is not loaded on this machine`);
  }

  #setLaunched(name: string, launched: boolean): void {
    this.#records.setLaunched(name, launched);
    this.#systemd.units.launched(name, launched);
  }
}
