import { chmodSync, realpathSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import {
  type Clock,
  FlotillaError,
  isFlotillaError,
  type Log,
  makePrivateDirectory,
  messageOf,
  type Random,
  systemClock,
  systemRandom,
} from '../../lib/index.ts';
import type { RuntimeBatch } from '../runtime.ts';
import { takeLock } from './lock.ts';
import { leaveCgroupTree, readStat } from './process/index.ts';
import { type PromisedStop, PromiseGuard } from './promise-guard.ts';
import { listenAt, PROTOCOL, type Request, readLines, type SupervisorMessage } from './protocol.ts';
import { runningUnits } from './running-units.ts';
import { SupervisorDirectory } from './state-directory.ts';
import { Supervisor } from './supervisor.ts';

export interface RunSupervisorOptions {
  /** State directory of the machine; made when it is missing. */
  readonly directory: string;
  readonly machineId: string;
  readonly hostname: string;
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
  /**
   * Ends the process without harm to any unit, as `retire` does, once fleetd has let go of it: a stop of all processes of a
   * service at once leaves fleetd time to stop its units.
   */
  readonly signal?: AbortSignal;
  /** What fleetd has promised for units with OnPartition=stop: see PromiseGuard. Without it nothing is. */
  readonly promised?: () => PromisedStop | undefined;
  /** Bytes of a unit's log file before it is put aside; two are kept. 8 MB unless said otherwise. */
  readonly maxLogFileBytes?: number;
  /** `tracking` does without control groups even where they could be had. */
  readonly groups?: 'auto' | 'tracking';
}

/** Without units and without a fleetd there is nothing to stay for. */
const IDLE_MS = 10_000;
/** So long the fleetd that started the process may take to connect. */
const FIRST_CLIENT_MS = 10_000;

/**
 * The supervisor process's whole life: takes over the units of its state directory, serves fleetd, and resolves when
 * it is to end: `taken` when another one has the directory already, `retired` when it was told to make way (units live
 * on), `idle` when it has held no unit and served nobody for a while. The caller then ends the process.
 *
 * It is a process of its own so that fleetd can be killed, upgraded and started again while units, their restarts and
 * their logs go on: it stands to fleetd as PID 1 stands to fleetd on a machine with systemd.
 */
export async function runSupervisor(options: RunSupervisorOptions): Promise<'taken' | 'retired' | 'idle'> {
  const { machineId, hostname, log, clock = systemClock, random = systemRandom } = options;
  const path = resolve(options.directory);
  makePrivateDirectory(path);
  const directory = new SupervisorDirectory(realpathSync(path));
  const lock = await takeLock(directory, random);
  if (lock === undefined) return 'taken';
  // Before this process names itself: the boot of the one before counts.
  if (directory.open(() => runningUnits(directory)) === 'damaged')
    log.error('Boot of the state damaged: what runs is taken over', { file: directory.bootFile });
  directory.writeHolder({ pid: process.pid, startTime: readStat(process.pid)!.startTime });
  // What is made for units is what systemd would make; whoever started fleetd may have set another mask.
  process.umask(0o022);
  process.chdir('/');
  const { groups = 'auto', maxLogFileBytes = 8 << 20 } = options;
  const supervisor = new Supervisor(
    { directory: directory.path, machineId, hostname, clock, random, log, maxLogFileBytes, groups },
    directory,
  );
  await supervisor.adopt();
  const { promised = () => undefined } = options;
  const guard = new PromiseGuard({ supervisor, promised, clock, log });
  const service = new SupervisorService({ supervisor, guard, directory, clock, log });
  await service.listen();
  log.info('Supervisor is ready', {
    directory: directory.path,
    units: supervisor.units.size,
    groups: supervisor.groups.kind,
  });
  if (options.signal?.aborted) service.retireUnused();
  options.signal?.addEventListener('abort', () => service.retireUnused(), { once: true });
  const how = await service.ended;
  supervisor.flush();
  if (how === 'idle') leaveCgroupTree(directory.path);
  lock.close();
  return how;
}

interface SupervisorServiceOptions {
  readonly supervisor: Supervisor;
  readonly guard: PromiseGuard;
  readonly directory: SupervisorDirectory;
  readonly clock: Clock;
  readonly log: Log;
}

/** Answers the calls of fleetd. */
class SupervisorService {
  readonly #supervisor: Supervisor;
  readonly #guard: PromiseGuard;
  readonly #directory: SupervisorDirectory;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #cancelIdle: (() => void) | undefined;
  #retiring = false;
  /** The fleetd that started the process has not connected yet. */
  #isAwaited = true;
  #end: (how: 'retired' | 'idle') => void = () => {};
  readonly ended: Promise<'retired' | 'idle'>;

  constructor({ supervisor, guard, directory, clock, log }: SupervisorServiceOptions) {
    this.#supervisor = supervisor;
    this.#guard = guard;
    this.#directory = directory;
    this.#clock = clock;
    this.#log = log;
    this.#server = createServer((socket) => this.#serve(socket));
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    supervisor.onChange(() => this.#watchIdle());
  }

  async listen(): Promise<void> {
    rmSync(this.#directory.socket, { recursive: true, force: true });
    await listenAt(this.#server, this.#directory.socket);
    chmodSync(this.#directory.socket, 0o600);
    this.#watchIdle();
    this.#clock.after(FIRST_CLIENT_MS, () => {
      this.#isAwaited = false;
      if (this.#retiring) this.retireUnused();
    });
  }

  end(how: 'retired' | 'idle'): void {
    this.#server.close();
    for (const client of this.#clients) client.destroySoon();
    this.#end(how);
  }

  /**
   * Ends as soon as nobody is connected, nor about to connect (a fleetd that stops while it starts needs it for that), and no
   * unit runs that nobody else would stop in time.
   */
  retireUnused(): void {
    this.#retiring = true;
    if (this.#clients.size === 0 && !this.#isAwaited && !this.#guard.isNeeded) this.end('retired');
  }

  #watchIdle(): void {
    this.#cancelIdle?.();
    if (this.#retiring) this.retireUnused();
    if (this.#clients.size > 0 || this.#supervisor.units.size > 0) return;
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => this.end('idle'));
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    this.#isAwaited = false;
    this.#watchIdle();
    let stopWatching: (() => void) | undefined;
    const send = (message: SupervisorMessage) => {
      if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
    };
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      stopWatching?.();
      this.#clients.delete(socket);
      this.#watchIdle();
    });
    readLines(socket, (line) => {
      const request = JSON.parse(line) as Request;
      if (request.call === 'watch') stopWatching ??= this.#watch(send);
      void this.#answer(request).then(send);
    });
  }

  #watch(send: (message: SupervisorMessage) => void): () => void {
    send({ all: true, states: [...this.#supervisor.states()] });
    return this.#supervisor.onChange((names) => {
      send({ all: false, states: [...names].map((name) => [name, this.#supervisor.stateOf(name) ?? null]) });
    });
  }

  async #answer(request: Request): Promise<SupervisorMessage> {
    const { id } = request;
    try {
      const answer = await this.#call(request);
      // What was accepted must not be lost with this process.
      this.#supervisor.flush();
      return { id, answer: answer ?? null };
    } catch (error) {
      if (isFlotillaError(error)) return { id, error: { code: error.code, message: error.message } };
      this.#log.error('A call failed', { call: request.call, error: messageOf(error) });
      return {
        id,
        error: { code: 'internal', message: `The supervisor failed at ${request.call}: ${messageOf(error)}` },
      };
    }
  }

  async #call({ call, args }: Request): Promise<unknown> {
    switch (call) {
      case 'hello':
        return { protocol: PROTOCOL, pid: process.pid };
      case 'units':
        return this.#supervisor.loaded();
      case 'apply':
        return [...(await this.#supervisor.apply(args as RuntimeBatch))];
      case 'start':
        return [...this.#supervisor.start(args as readonly string[])];
      case 'stop':
        return this.#supervisor.stop(String(args));
      case 'reload':
        return this.#supervisor.reload(String(args));
      case 'describe':
        return this.#supervisor.describe(String(args));
      case 'watch':
        return null;
      case 'retire':
        setImmediate(() => this.end('retired'));
        return null;
      default:
        throw new FlotillaError('invalid', `The supervisor does not know the call ${String(call)}`);
    }
  }
}
