import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, realpathSync, statSync } from 'node:fs';
import { hostname as osHostname } from 'node:os';
import { resolve } from 'node:path';
import {
  Backoff,
  type Clock,
  FlotillaError,
  type Log,
  makePrivateDirectory,
  messageOf,
  type Random,
  RepeatedFailure,
  Restarts,
  readStat,
  removeUnlessFile,
  unlessAborted,
} from '../../lib/index.ts';
import type { LoadedUnit, LogsOptions, RuntimeBatch, RuntimeState, UnitRuntime } from '../runtime.ts';
import { ConnectionLost, SupervisorConnection } from './connection.ts';
import { formatEntry, LOG_FORMATS, readLog } from './journal/index.ts';
import { readBootId } from './process/index.ts';
import { type Calls, PROTOCOL } from './protocol.ts';
import { SupervisorDirectory } from './state-directory.ts';
import { renderStatus } from './status-text.ts';

export interface OpenSupervisorOptions {
  /** State directory of the machine, the same for the process that is started. */
  readonly directory: string;
  /** Starts a process that calls `runSupervisor` with the same directory. */
  readonly spawn: { readonly command: string; readonly args: readonly string[] };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly machineId: string;
  /** Shown in log lines; the computer's own name unless given. */
  readonly hostname?: string;
  /** Called whenever the process ended by itself and is started again. */
  readonly onRestart?: () => void;
}

/** How long the supervisor process may take to come up or to come back. */
const CONNECT_TIMEOUT_MS = 15_000;
const SPAWN_AGAIN_MS = 2000;
const SAY_AFTER_MS = 900;
const MAX_OWN_LOG_BYTES = 1 << 20;

/**
 * The runtime for computers without systemd. Talks to the supervisor process of the state directory, and starts it
 * when it is not running, now or later. Rejects when it does not come up.
 */
export async function openSupervisor(options: OpenSupervisorOptions): Promise<UnitRuntime> {
  makePrivateDirectory(options.directory);
  const client = new SupervisorClient(options);
  await client.connected();
  return client;
}

class SupervisorClient implements UnitRuntime {
  readonly #options: OpenSupervisorOptions;
  readonly #directory: SupervisorDirectory;
  readonly #closing = new AbortController();
  #connecting: Promise<SupervisorConnection> | undefined;
  #states: Map<string, RuntimeState> | undefined;
  readonly #watchers = new Set<() => void>();
  readonly #waiting: RepeatedFailure;
  readonly #restarts: Restarts;
  /** A process that ends soon each time is not started again before. */
  #spawnAtMs = -Infinity;
  #spawned: ChildProcess | undefined;

  constructor(options: OpenSupervisorOptions) {
    const { clock, log } = options;
    const sentence = 'Waiting for the supervisor process';
    this.#options = options;
    this.#waiting = new RepeatedFailure({ clock, log, sentence, over: 'The supervisor process responds' });
    this.#restarts = new Restarts({ ...options, what: 'supervisor' });
    this.#directory = new SupervisorDirectory(realpathSync(resolve(options.directory)));
  }

  /** A connection to a running process of the right version. */
  connected(): Promise<SupervisorConnection> {
    if (this.#closing.signal.aborted) {
      return Promise.reject(new FlotillaError('unavailable', 'The connection to the supervisor was closed'));
    }
    this.#connecting ??= this.#connect().catch((error) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  #connect(): Promise<SupervisorConnection> {
    const unsay = this.#options.clock.after(SAY_AFTER_MS, () => this.#sayWaiting());
    return this.#seek().finally(unsay);
  }

  async #seek(): Promise<SupervisorConnection> {
    const { clock, random } = this.#options;
    const backoff = new Backoff({ minMs: 5, maxMs: 100 }, random);
    const deadline = clock.monotonic() + CONNECT_TIMEOUT_MS;
    for (;;) {
      const connection = await this.#tryConnect();
      if (connection !== undefined) return this.#use(connection);
      const now = clock.monotonic();
      if (now > deadline) throw this.#notComing();
      // One that takes long to come up is given no second: that might take the lock after the power has gone, and stay.
      if (now >= this.#spawnAtMs && !isRunningChild(this.#spawned)) {
        this.#spawn();
        this.#spawnAtMs = now + SPAWN_AGAIN_MS;
      }
      await clock.sleep(backoff.next(), this.#closing.signal);
    }
  }

  /** Nobody should have to guess what fleetd waits for. */
  #sayWaiting(): void {
    const holder = this.#directory.readHolder();
    const { state } = (holder !== undefined && readStat(holder.pid)) || {};
    const see = `see ${this.#directory.ownLog}`;
    if (holder === undefined || state === undefined) this.#waiting.failed(`it is not up yet: ${see}`);
    else if (state !== 'T') this.#waiting.failed(`process ${holder.pid} does not respond: ${see}`);
    else this.#waiting.failed(`process ${holder.pid} was stopped by a signal: kill -CONT ${holder.pid} lets it go on`);
  }

  #notComing(): FlotillaError {
    const sentence = `The supervisor process does not come up: see ${this.#directory.ownLog}`;
    return new FlotillaError('unavailable', sentence, { directory: this.#directory.path });
  }

  /** Undefined when there is no process, or it is of another version and has been asked to make way. */
  async #tryConnect(): Promise<SupervisorConnection | undefined> {
    let connection: SupervisorConnection | undefined;
    try {
      connection = await SupervisorConnection.open(this.#directory.socket);
      const { protocol } = await connection.call('hello', undefined);
      if (protocol === PROTOCOL) return connection;
      this.#options.log.info('The supervisor process is of another version and makes way', { protocol });
      await connection.call('retire', undefined);
    } catch (error) {
      if (error instanceof FlotillaError) throw error;
    }
    connection?.close();
    return undefined;
  }

  #spawn(): void {
    // The process would say so in its own log only.
    this.#directory.checkLockKey();
    const { command, args } = this.#options.spawn;
    this.#options.log.debug('Starting the supervisor process');
    const output = openLog(this.#directory.ownLog);
    // A session of its own: it outlives this process and whoever started it.
    const child = spawn(command, args, { detached: true, stdio: ['ignore', output, output] });
    closeSync(output);
    child.on('error', (error) => this.#waiting.failed(`${command} cannot be started: ${messageOf(error)}`));
    child.unref();
    this.#spawned = child;
  }

  async #use(connection: SupervisorConnection): Promise<SupervisorConnection> {
    let known = new Map<string, RuntimeState>();
    connection.onStates = ({ all, states }) => {
      known = new Map(all ? [] : known);
      for (const [name, state] of states) {
        if (state === null) known.delete(name);
        else known.set(name, state);
      }
      this.#states = known;
      for (const wake of this.#watchers) wake();
    };
    connection.onClose = () => this.#lost();
    await connection.call('watch', undefined);
    this.#waiting.succeeded();
    this.#restarts.serves();
    return connection;
  }

  /** The process went away: units need one for their restarts and logs, so it is brought back without being asked. */
  #lost(): void {
    this.#connecting = undefined;
    const { clock } = this.#options;
    if (this.#closing.signal.aborted) return;
    this.#spawnAtMs = clock.monotonic() + this.#restarts.ended('its connection was closed');
    const retry = () => {
      this.connected().catch((error) => {
        if (this.#closing.signal.aborted) return;
        this.#waiting.failed(messageOf(error));
        clock.after(SPAWN_AGAIN_MS, retry);
      });
    };
    retry();
  }

  /** Every call may be repeated: asking twice for the same comes to the same. */
  async #call<C extends keyof Calls>(call: C, args: Calls[C]['args']): Promise<Calls[C]['answer']> {
    for (;;) {
      const connection = await this.connected();
      try {
        return await connection.call(call, args);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
  }

  async units(): Promise<LoadedUnit[]> {
    return [...(await this.#call('units', undefined))];
  }

  async apply(batch: RuntimeBatch): Promise<ReadonlyMap<string, string>> {
    return new Map(await this.#call('apply', batch));
  }

  async unloadAll(): Promise<void> {
    const held = await this.units();
    await this.apply({ unload: held.map(({ name }) => name), load: [] });
  }

  async start(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return new Map(await this.#call('start', names));
  }

  async stop(name: string): Promise<void> {
    await this.#call('stop', name);
  }

  async reload(name: string): Promise<void> {
    await this.#call('reload', name);
  }

  async *states(signal: AbortSignal): AsyncGenerator<ReadonlyMap<string, RuntimeState>> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    let seen: Map<string, RuntimeState> | undefined;
    while (!ended.aborted) {
      if (this.#states !== undefined && this.#states !== seen) {
        seen = this.#states;
        yield seen;
      } else {
        await unlessAborted<void>(ended, (wake) => {
          this.#watchers.add(wake);
          return () => this.#watchers.delete(wake);
        });
      }
    }
  }

  async status(name: string, options: { readonly lines?: number } = {}): Promise<{ text: string; exitCode: number }> {
    const description = await this.#call('describe', name);
    if (description === null) return { text: `Unit ${name} could not be found.`, exitCode: 4 };
    const { signal } = this.#closing;
    const lines: string[] = [];
    const wanted = { lines: options.lines ?? 10, follow: false, output: 'short', signal };
    for await (const line of this.logs(name, wanted)) lines.push(line);
    return renderStatus(description, lines, this.#options.clock.now());
  }

  async *logs(name: string, options: LogsOptions): AsyncGenerator<string> {
    const { machineId, hostname = osHostname() } = this.#options;
    const facts = { unit: name, hostname, machineId, bootId: readBootId() };
    if (!LOG_FORMATS.includes(options.output)) {
      const known = LOG_FORMATS.join(', ');
      throw new FlotillaError(
        'invalid',
        `Unknown output format ${JSON.stringify(options.output)}: use one of ${known}`,
      );
    }
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const reading = { lines: options.lines, follow: options.follow, signal };
    for await (const entry of readLog(this.#directory.logDirectory(name), reading)) {
      if (signal.aborted) return;
      yield formatEntry(entry, options.output, facts)!;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new FlotillaError('unavailable', 'The connection to the supervisor was closed'));
    const connection = await this.#connecting?.catch(() => undefined);
    connection?.close();
  }
}

function isRunningChild(child: ChildProcess | undefined): boolean {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function openLog(file: string): number {
  // Nothing of a log is there that could be kept.
  removeUnlessFile(file);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return openSync(file, size > MAX_OWN_LOG_BYTES ? 'w' : 'a', 0o600);
}
