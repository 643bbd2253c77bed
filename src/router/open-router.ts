import { type ChildProcess, spawn } from 'node:child_process';
import { Backoff, type Clock, FlotillaError, type Log, messageOf, type Random, Restarts } from '../lib/index.ts';
import type { Catalog } from '../services/index.ts';
import { buildRoutes } from './build-routes.ts';
import type { BackendReport, RouterSettings } from './data-plane.ts';
import { DepartedRoutes } from './departed-routes.ts';
import { assertFree, endRouter, findRouter, isRouted, killRouter, type RouterProcess } from './predecessor.ts';
import { changesBetween, type FromRouter, type ToRouter } from './protocol.ts';
import { NO_ROUTES, type RouteProblem, type RouteTable } from './route-table.ts';

export interface OpenRouterOptions {
  readonly settings: RouterSettings;
  readonly catalog: Catalog;
  /** The directory of the machine's router; the process that is started gets the same. */
  readonly directory: string;
  /** The command of a process that calls `runRouter`. */
  readonly spawn: { readonly command: string; readonly args: readonly string[] };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called when the process ended by itself and is started again. */
  readonly onRestart?: () => void;
}

/** The machine's router as fleetd uses it. */
export interface Router {
  readonly plane: RouterSettings['plane'];
  readonly table: RouteTable;
  /** The URLs on which it listens; empty while it does not run. */
  readonly listening: readonly string[];
  /** The reason why it does not run; undefined while it runs. */
  readonly failure: string | undefined;
  /** Asks the router process for all backends; rejects with FlotillaError `unavailable` when it does not run. */
  backends(): Promise<readonly BackendReport[]>;
  /** Resolves when requests follow the catalog's present state; at once when there is nothing to route. */
  caughtUp(): Promise<void>;
  /** Sends no new requests to that backend; resolves when the router has confirmed. */
  drain(backendId: string): Promise<void>;
  /**
   * Stops restarting the router process: fleetd is about to stop, and its service manager may end all processes at
   * once.
   */
  letGo(): void;
  /** Ends the router process. */
  close(): Promise<void>;
}

/** Milliseconds for which changes are collected, so that a burst becomes one. */
const SETTLE_MS = 10;
/** Longer than a crash loop, a failover or a rolling change leaves a service without instances. */
const DEPARTED_MS = 5 * 60_000;
const MAX_DEPARTED = 1000;
const CALL_TIMEOUT_MS = 2000;
const CLOSE_TIMEOUT_MS = 5000;

/** Keeps a router process running and sends it every change of the catalog, beginning with the first complete state. */
export function openRouter(options: OpenRouterOptions): Router {
  const client = new RouterClient(options);
  void client.begin();
  return client;
}

class RouterClient implements Router {
  readonly #options: OpenRouterOptions;
  readonly #backoff: Backoff;
  readonly #restarts: Restarts;
  /** The router process of an earlier fleetd, which routes until ours takes over. */
  readonly #predecessor: RouterProcess | undefined;
  readonly #closing = new AbortController();
  readonly #calls = new Map<number, (backends: readonly BackendReport[]) => void>();
  readonly #departed: DepartedRoutes;
  /** The routes of the catalog, without departed ones. */
  #built: RouteTable = NO_ROUTES;
  #cancelForgetting: () => void = () => {};
  #unsubscribe: () => void = () => {};
  #isWanted = true;
  #settling = false;
  #child: ChildProcess | undefined;
  /** True when the process has sent the reason for its end. */
  #hasSaidWhy = false;
  #calling = 0;
  table: RouteTable = NO_ROUTES;
  listening: readonly string[] = [];
  failure: string | undefined = 'it is still starting';

  constructor(options: OpenRouterOptions) {
    this.#options = options;
    const now = () => options.clock.monotonic();
    this.#departed = new DepartedRoutes({ now, keepMs: DEPARTED_MS, limit: MAX_DEPARTED });
    this.#backoff = new Backoff({ minMs: 20, maxMs: 5000 }, options.random);
    this.#restarts = new Restarts({ ...options, what: 'router' });
    this.#predecessor = findRouter(options.directory);
  }

  get plane(): RouterSettings['plane'] {
    return this.#options.settings.plane;
  }

  /**
   * Waits for a complete catalog before the first process starts; until then an earlier process, if any, routes better.
   */
  async begin(): Promise<void> {
    const { catalog, clock } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await catalog.sync(signal);
        break;
      } catch {
        this.failure = 'the store does not answer yet';
        await clock.sleep(this.#backoff.next(), signal).catch(() => {});
      }
    }
    if (signal.aborted) return;
    this.#backoff.reset();
    this.#built = buildRoutes(catalog.snapshot);
    this.#adopt(this.#built);
    this.#unsubscribe = catalog.onChange(() => this.#settle());
    await this.#start();
  }

  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    this.#options.clock.after(SETTLE_MS, () => {
      this.#settling = false;
      if (!this.#closing.signal.aborted) this.#update();
    });
  }

  #update(): void {
    const { catalog, clock } = this.#options;
    const built = buildRoutes(catalog.snapshot, this.#built);
    const { nextMs = Infinity } = this.#departed;
    if (built === this.#built && clock.monotonic() < nextMs) return;
    const before = this.table;
    const after = this.#departed.keep(this.#built, built);
    this.#built = built;
    this.#forgetInTime();
    this.#adopt(after);
    this.#send({ type: 'change', changes: changesBetween(before, after) });
  }

  #forgetInTime(): void {
    const { clock } = this.#options;
    const { nextMs } = this.#departed;
    this.#cancelForgetting();
    this.#cancelForgetting =
      nextMs === undefined ? () => {} : clock.after(Math.max(0, nextMs - clock.monotonic()), () => this.#settle());
  }

  /** Logs problems that are new in this table. */
  #adopt(table: RouteTable): void {
    const isKnown = ({ host, path, service }: RouteProblem) =>
      this.table.problems.some((known) => known.host === host && known.path === path && known.service === service);
    for (const problem of table.problems.filter((one) => !isKnown(one)))
      this.#options.log.warn('Not routed', { ...problem });
    this.table = table;
  }

  /** Checks the addresses first, so that no process is started only to fail on a taken one. */
  async #start(): Promise<void> {
    const { settings, directory, clock } = this.#options;
    try {
      if (!isRouted(directory) && findRouter(directory) === undefined)
        await assertFree([...settings.listen, ...settings.listenTls]);
      if (this.#isToRun) this.#spawn();
    } catch (error) {
      this.#failed(messageOf(error));
      clock.after(this.#backoff.next(), () => this.#startAgain());
    }
  }

  #startAgain(): void {
    if (this.#isToRun) void this.#start();
  }

  get #isToRun(): boolean {
    return this.#isWanted && !this.#closing.signal.aborted;
  }

  #failed(because: string): void {
    // A service manager that ends all processes of fleetd makes the router fail too; that is no error.
    if (this.failure !== because && this.#isToRun) this.#options.log.error('Router failed', { error: because });
    this.failure = because;
  }

  #spawn(): void {
    const { command, args } = this.#options.spawn;
    this.#options.log.debug('Starting the router process');
    // `detached` gives the router a session of its own: requests go on when fleetd ends or is killed.
    const child = spawn(command, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    child.on('message', (message: FromRouter) => this.#receive(message));
    this.#hasSaidWhy = false;
    child.on('error', (error) => {
      // A failed spawn emits 'error' without 'exit'.
      if (child.pid === undefined) this.#ended(child, messageOf(error));
    });
    child.once('exit', (status, signal) => this.#ended(child, signal ?? `exit status ${status}`));
    child.unref();
    child.channel?.unref();
    this.#send({ type: 'start', settings: this.#options.settings, table: this.table });
  }

  #receive(message: FromRouter): void {
    if (message.type === 'listening') {
      this.listening = message.addresses;
      this.failure = undefined;
      this.#backoff.reset();
      this.#restarts.serves();
    } else if (message.type === 'failed') {
      this.#hasSaidWhy = true;
      this.#failed(message.because);
    } else {
      this.#calls.get(message.call)?.(message.backends);
    }
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    const served = this.listening.length > 0;
    this.listening = [];
    if (!this.#isToRun) {
      this.failure = 'fleetd is stopping';
      return;
    }
    const because = this.#hasSaidWhy ? this.failure! : `its process ended: ${how}`;
    if (!served) this.#failed(because);
    this.failure = because;
    const delayMs = served ? this.#restarts.ended(because) : this.#backoff.next();
    this.#options.clock.after(delayMs, () => this.#startAgain());
  }

  #send(message: ToRouter): void {
    // A message that cannot be sent is included in the table that the next process gets.
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  backends(): Promise<readonly BackendReport[]> {
    return this.#call((call) => ({ type: 'backends', call }));
  }

  async caughtUp(): Promise<void> {
    if (this.#settling && !this.#closing.signal.aborted) this.#update();
    // The process handles messages in order, so this response comes after the change. A process that does not run gets
    // everything when it starts.
    await this.backends().catch(() => {});
  }

  async drain(backendId: string): Promise<void> {
    await this.#call((call) => ({ type: 'drain', call, backendId }));
  }

  #call(message: (call: number) => ToRouter): Promise<readonly BackendReport[]> {
    const call = ++this.#calling;
    return new Promise((resolve, reject) => {
      const why = () => this.failure ?? 'it does not answer';
      const fail = () => {
        this.#calls.delete(call);
        reject(new FlotillaError('unavailable', `the router does not run here: ${why()}`));
      };
      if (this.listening.length === 0) return fail();
      const cancel = this.#options.clock.after(CALL_TIMEOUT_MS, fail);
      this.#calls.set(call, (backends) => {
        cancel();
        this.#calls.delete(call);
        resolve(backends);
      });
      this.#send(message(call));
    });
  }

  letGo(): void {
    this.#isWanted = false;
  }

  async close(): Promise<void> {
    this.#closing.abort(new FlotillaError('unavailable', 'the router is closed'));
    this.#unsubscribe();
    this.#cancelForgetting();
    const child = this.#child;
    if (child !== undefined) await this.#end(child);
    const { directory, clock } = this.#options;
    // The predecessor still runs when this fleetd had no time to replace it.
    if (this.#predecessor !== undefined) await endRouter(directory, this.#predecessor, clock, CLOSE_TIMEOUT_MS);
    // HAProxy outlives a router process that was killed.
    if (findRouter(directory) === undefined) killRouter(directory);
  }

  async #end(child: ChildProcess): Promise<void> {
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.ref();
    this.#send({ type: 'close' });
    const cancel = this.#options.clock.after(CLOSE_TIMEOUT_MS, () => void child.kill('SIGKILL'));
    await ended;
    cancel();
  }
}
