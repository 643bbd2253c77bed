import { type ChildProcess, spawn } from 'node:child_process';
import { Backoff, type Clock, FlotillaError, type Log, messageOf, type Random } from '../lib/index.ts';
import type { Catalog } from '../services/index.ts';
import { buildRoutes } from './build-routes.ts';
import type { BackendReport, RouterSettings } from './data-plane.ts';
import { DepartedRoutes } from './departed-routes.ts';
import { assertFree, findRouter, isRouted, killRouter } from './predecessor.ts';
import { changesBetween, type FromRouter, type ToRouter } from './protocol.ts';
import { NO_ROUTES, type RouteProblem, type RouteTable } from './route-table.ts';

export interface OpenRouterOptions {
  readonly settings: RouterSettings;
  readonly catalog: Catalog;
  /** Of the machine's router; the same for the process that is started. */
  readonly directory: string;
  /** Starts a process that calls `runRouter`. */
  readonly spawn: { readonly command: string; readonly args: readonly string[] };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The router of a machine, as fleetd sees it. */
export interface Router {
  readonly plane: RouterSettings['plane'];
  readonly table: RouteTable;
  /** Empty while it does not run. */
  readonly listening: readonly string[];
  /** Why it does not run, when it does not. */
  readonly failure: string | undefined;
  /** Every backend as the router process sees it; rejects with FlotillaError `unavailable` when that does not run. */
  backends(): Promise<readonly BackendReport[]>;
  /** Resolves once requests go where the catalog, as it is now, says; at once where none are routed. */
  caughtUp(): Promise<void>;
  /** No new requests for that backend; resolves when the router has heard. */
  drain(backendId: string): Promise<void>;
  /** From now on a router process that ends is not started again: fleetd stops, and its service manager may end all at once. */
  letGo(): void;
  /** Ends the router process. */
  close(): Promise<void>;
}

/** So that a burst of changes is one. */
const SETTLE_MS = 10;
/** Longer than a crash loop, a failover or a rolling change leaves a service without any instance. */
const DEPARTED_MS = 5 * 60_000;
const MAX_DEPARTED = 1000;
const CALL_TIMEOUT_MS = 2000;
const CLOSE_TIMEOUT_MS = 5000;

/** Keeps a router process running and tells it every change of the catalog, from the first complete state on. */
export function openRouter(options: OpenRouterOptions): Router {
  const client = new RouterClient(options);
  void client.begin();
  return client;
}

class RouterClient implements Router {
  readonly #options: OpenRouterOptions;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  readonly #calls = new Map<number, (backends: readonly BackendReport[]) => void>();
  readonly #departed: DepartedRoutes;
  /** The catalog's routes alone. */
  #built: RouteTable = NO_ROUTES;
  #cancelForgetting: () => void = () => {};
  #unsubscribe: () => void = () => {};
  #isWanted = true;
  #settling = false;
  #child: ChildProcess | undefined;
  #calling = 0;
  table: RouteTable = NO_ROUTES;
  listening: readonly string[] = [];
  failure: string | undefined = 'it is still starting';

  constructor(options: OpenRouterOptions) {
    this.#options = options;
    const now = () => options.clock.monotonic();
    this.#departed = new DepartedRoutes({ now, keepMs: DEPARTED_MS, limit: MAX_DEPARTED });
    this.#backoff = new Backoff({ minMs: 20, maxMs: 5000 }, options.random);
  }

  get plane(): RouterSettings['plane'] {
    return this.#options.settings.plane;
  }

  /** Nothing is routed by half a catalog: the process before this one, if any, knows better until then. */
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

  /** Says what is newly asked for and cannot be had. */
  #adopt(table: RouteTable): void {
    const isKnown = ({ host, path, service }: RouteProblem) =>
      this.table.problems.some((known) => known.host === host && known.path === path && known.service === service);
    for (const problem of table.problems.filter((one) => !isKnown(one)))
      this.#options.log.warn('Not routed', { ...problem });
    this.table = table;
  }

  /** Where somebody else listens, no process is started only to find that out. */
  async #start(): Promise<void> {
    const { settings, directory, clock } = this.#options;
    try {
      if (!isRouted(directory)) await assertFree([...settings.listen, ...settings.listenTls]);
      if (!this.#closing.signal.aborted) this.#spawn();
    } catch (error) {
      this.#failed(messageOf(error));
      clock.after(this.#backoff.next(), () => this.#startAgain());
    }
  }

  #startAgain(): void {
    if (this.#isWanted && !this.#closing.signal.aborted) void this.#start();
  }

  #failed(because: string): void {
    if (this.failure !== because) this.#options.log.error('Router failed', { error: because });
    this.failure = because;
  }

  #spawn(): void {
    const { command, args } = this.#options.spawn;
    // A session of its own: requests go on when fleetd ends or is killed.
    const child = spawn(command, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    child.on('message', (message: FromRouter) => this.#receive(message));
    child.on('error', (error) => {
      this.failure = error.message;
    });
    child.once('exit', () => this.#ended(child));
    child.unref();
    child.channel?.unref();
    this.#send({ type: 'start', settings: this.#options.settings, table: this.table });
  }

  #receive(message: FromRouter): void {
    if (message.type === 'listening') {
      this.listening = message.addresses;
      this.failure = undefined;
      this.#backoff.reset();
    } else if (message.type === 'failed') {
      this.#failed(message.because);
    } else {
      this.#calls.get(message.call)?.(message.backends);
    }
  }

  #ended(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    if (this.#closing.signal.aborted) return;
    if (!this.#isWanted) this.failure = 'fleetd is stopping';
    else if (this.listening.length > 0) this.#options.log.warn('The router process went away and is started again');
    this.listening = [];
    this.failure ??= 'its process went away';
    this.#options.clock.after(this.#backoff.next(), () => this.#startAgain());
  }

  #send(message: ToRouter): void {
    // What cannot be sent is said again to the process that comes after.
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  backends(): Promise<readonly BackendReport[]> {
    return this.#call((call) => ({ type: 'backends', call }));
  }

  async caughtUp(): Promise<void> {
    if (this.#settling && !this.#closing.signal.aborted) this.#update();
    // The process works on messages in order. One that does not run is told everything when it starts.
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
    // HAProxy outlives the process that started it, when that was killed.
    const { directory } = this.#options;
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
