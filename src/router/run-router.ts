import { type Clock, type Log, messageOf } from '../lib/index.ts';
import type { DataPlane, RouterSettings } from './data-plane.ts';
import { findRouter, moveWaitingConnections, recordRouter, retireHaproxy, retireRouter } from './predecessor.ts';
import { applyChanges, type FromRouter, type ToRouter } from './protocol.ts';
import type { RouteTable } from './route-table.ts';

/** The router process's channel to fleetd. */
export interface RouterChannel {
  send(message: FromRouter): void;
  onMessage(listener: (message: ToRouter) => void): void;
  onClosed(listener: () => void): void;
}

export interface RunRouterOptions {
  /** The directory of the machine's router, in which the process records itself. */
  readonly directory: string;
  readonly channel: RouterChannel;
  /** Aborts when another process takes over or the machine is shut down. */
  readonly retire: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}

/** Milliseconds for requests in flight after another process has taken over. */
const HANDOVER_GRACE_MS = 30_000;
const STOP_GRACE_MS = 2000;

/**
 * The router process: routes by the last table it was sent, also while no fleetd runs. Takes over from the previous
 * process without a moment in which nobody listens. Resolves with the reason when it is to end.
 */
export function runRouter(options: RunRouterOptions): Promise<string> {
  return new RouterRole(options).run();
}

class RouterRole {
  readonly #options: RunRouterOptions;
  #plane: DataPlane | undefined;
  #table: RouteTable | undefined;
  #fail: (because: string) => void = () => {};
  /** Handles messages one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: RunRouterOptions) {
    this.#options = options;
  }

  run(): Promise<string> {
    const { channel, retire } = this.#options;
    return new Promise((resolve) => {
      this.#fail = (because) => {
        channel.send({ type: 'failed', because });
        resolve(because);
      };
      const end = (because: string, graceMs: number) => {
        void this.#turn.then(() => this.#plane?.close(graceMs)).then(() => resolve(because));
      };
      channel.onMessage((message) => {
        if (message.type === 'close') return end('fleetd stops', STOP_GRACE_MS);
        this.#turn = this.#turn.then(() => this.#receive(message)).catch((error) => this.#fail(messageOf(error)));
      });
      channel.onClosed(() => this.#plane ?? resolve('fleetd went away before it said anything'));
      retire.addEventListener('abort', () => end('another process takes over', HANDOVER_GRACE_MS));
    });
  }

  async #receive(message: Exclude<ToRouter, { type: 'close' }>): Promise<void> {
    const { channel } = this.#options;
    if (message.type === 'start') return this.#start(message.settings, message.table);
    if (message.type === 'change') return this.#change(applyChanges(this.#table!, message.changes));
    if (message.type === 'drain') void this.#plane!.drain(message.backendId);
    channel.send({ type: 'answer', call: message.call, backends: await this.#plane!.backends() });
  }

  async #start(settings: RouterSettings, table: RouteTable): Promise<void> {
    const { directory, log, channel } = this.#options;
    const before = findRouter(directory);
    moveWaitingConnections();
    this.#plane = await this.#open(settings, table);
    this.#table = table;
    try {
      recordRouter(directory);
    } catch (error) {
      // This process could not be recorded and thus not be found later: the one before it, which can be, goes on.
      await this.#plane.close(0);
      throw error;
    }
    retireRouter(before);
    if (settings.plane === 'process') retireHaproxy(directory);
    log.info('Routing', { pid: process.pid, listening: this.#plane.listening.join(' ') });
    channel.send({ type: 'listening', addresses: this.#plane.listening });
  }

  /** Imported on use: fleetd itself imports this folder and needs no data plane. */
  async #open(settings: RouterSettings, table: RouteTable): Promise<DataPlane> {
    const { directory, clock, log } = this.#options;
    const common = { settings, table, clock, log };
    if (settings.plane === 'process') return (await import('./process/index.ts')).openProcessPlane(common);
    const { openHaproxyPlane } = await import('./haproxy/index.ts');
    return openHaproxyPlane({ ...common, directory, onEnd: () => this.#fail('HAProxy has ended') });
  }

  async #change(table: RouteTable): Promise<void> {
    this.#table = table;
    // A table that the data plane refuses must not end a working router; the data plane has logged it.
    await this.#plane!.use(table).catch(() => {});
  }
}
