import type { Message } from 'dbus-native';
import { Backoff, type Clock, FlotillaError, type Log, messageOf, type Random } from '../../lib/index.ts';
import { BusConnection } from './bus-connection.ts';
import { busErrorName, toFlotillaError } from './bus-errors.ts';

export interface ManagerLinkOptions {
  /** D-Bus address of the bus on which systemd is. */
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A signal of systemd's. */
  onSignal(signal: Message): void;
  /** systemd is there, or there again: whatever is known of it has to be read anew before anything else is asked. */
  onBack(call: ManagerCall): Promise<void>;
}

/** Calls a method of systemd's manager; `apply` sees the answer in the order of the signals around it. */
export type ManagerCall = (
  member: string,
  signature: string,
  body: readonly unknown[],
  options?: ManagerCallOptions,
) => Promise<readonly unknown[]>;

export interface ManagerCallOptions {
  readonly apply?: (...values: readonly unknown[]) => void;
  readonly timeoutMs?: number;
}

export const SYSTEMD = 'org.freedesktop.systemd1';
export const MANAGER = `${SYSTEMD}.Manager`;
const MANAGER_PATH = '/org/freedesktop/systemd1';
const BUS = 'org.freedesktop.DBus';
const PROPERTIES = `${BUS}.Properties`;

const RULES: readonly string[] = [
  `type='signal',sender='${SYSTEMD}',interface='${MANAGER}',member='JobNew'`,
  `type='signal',sender='${SYSTEMD}',interface='${MANAGER}',member='JobRemoved'`,
  `type='signal',sender='${SYSTEMD}',interface='${MANAGER}',member='Reloading'`,
  `type='signal',sender='${SYSTEMD}',interface='${PROPERTIES}',member='PropertiesChanged',` +
    `path_namespace='${MANAGER_PATH}/unit',arg0='${SYSTEMD}.Unit'`,
  `type='signal',sender='${BUS}',interface='${BUS}',member='NameOwnerChanged',arg0='${SYSTEMD}'`,
];

/** How long a call waits for a systemd that is not there. */
const READY_TIMEOUT_MS = 15_000;
/** A call that systemd's re-execution or the end of the bus cut short is made again this often. */
const MAX_TRIES = 3;

/** The way to systemd, which outlasts restarts of the bus and of systemd: afterwards it subscribes and reads anew. */
export class ManagerLink {
  readonly #options: ManagerLinkOptions;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  readonly #onGone = new Set<() => void>();
  #connection: BusConnection | undefined;
  /** The same while systemd is there at its other end. */
  #current: BusConnection | undefined;
  /** Settled once systemd has been read on this connection; absent while nobody is on the way there. */
  #ready: Promise<BusConnection> | undefined;
  /** Counts the times systemd went or came: what was begun before the last of them is begun again. */
  #generation = 0;
  #comingBack = false;

  constructor(options: ManagerLinkOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ minMs: 20, maxMs: 1000 }, options.random);
  }

  /** Resolves when systemd answers; rejects with `unavailable` when it does not within 15 s. */
  async ready(): Promise<BusConnection> {
    if (this.#current !== undefined) return this.#current;
    const { clock, address } = this.#options;
    const waiting = new AbortController();
    const late = clock.sleep(READY_TIMEOUT_MS, waiting.signal).then(() => {
      throw new FlotillaError('unavailable', `systemd does not answer on the bus at ${address}: is dbus running?`);
    });
    try {
      return await Promise.race([this.#establish(), late]);
    } finally {
      late.catch(() => {});
      waiting.abort();
    }
  }

  /** Waits for systemd where it is away. Every method called here may be repeated without harm. */
  readonly call: ManagerCall = async (member, signature, body, options = {}) => {
    for (let tries = 1; ; tries++) {
      const connection = await this.ready();
      const generation = this.#generation;
      try {
        return await callManager(connection)(member, signature, body, options);
      } catch (error) {
        const problem = toFlotillaError(error, { call: member });
        const interrupted = problem.code === 'unavailable' && generation !== this.#generation;
        if (!interrupted || tries === MAX_TRIES) throw problem;
      }
    }
  };

  /** A property of an object of systemd's; rejects when that object is not there. */
  async property(path: string, interfaceName: string, name: string): Promise<unknown> {
    const connection = await this.ready();
    const call = { destination: SYSTEMD, path, interface: PROPERTIES, member: 'Get' };
    const [value] = await connection.call({ ...call, signature: 'ss', body: [interfaceName, name] });
    return value;
  }

  /** Resolves as soon as systemd is away, or when the signal aborts. */
  gone(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#onGone.delete(end);
        signal.removeEventListener('abort', end);
        resolve();
      };
      if (this.#current === undefined || signal.aborted) return end();
      this.#onGone.add(end);
      signal.addEventListener('abort', end);
    });
  }

  close(): void {
    this.#closing.abort(new FlotillaError('unavailable', 'The connection to systemd was closed'));
    this.#connection?.close();
  }

  #establish(): Promise<BusConnection> {
    this.#ready ??= this.#comeBack();
    return this.#ready;
  }

  /** Tries until systemd has been read by a connection that still stands. */
  async #comeBack(): Promise<BusConnection> {
    const { clock, log, onBack } = this.#options;
    const { signal } = this.#closing;
    this.#comingBack = true;
    let told = false;
    try {
      for (;;) {
        signal.throwIfAborted();
        const generation = this.#generation;
        try {
          const connection = await this.#connect();
          await subscribe(connection);
          await onBack(callManager(connection));
          if (generation !== this.#generation) continue;
          this.#backoff.reset();
          this.#current = connection;
          return connection;
        } catch (error) {
          if (!told) log.warn('systemd does not answer, trying again', { error: messageOf(error) });
          told = true;
        }
        await clock.sleep(this.#backoff.next(), signal);
      }
    } finally {
      this.#comingBack = false;
    }
  }

  async #connect(): Promise<BusConnection> {
    if (this.#connection !== undefined) return this.#connection;
    let mine: BusConnection | undefined;
    const connection = await BusConnection.open(this.#options.address, {
      onSignal: (signal) => this.#onSignal(signal),
      onClose: () => mine !== undefined && this.#lost(mine),
    });
    mine = connection;
    try {
      for (const rule of RULES) await connection.call(busCall('AddMatch', rule));
    } catch (error) {
      connection.close();
      throw error;
    }
    this.#connection = connection;
    return connection;
  }

  #onSignal(signal: Message): void {
    if (signal.member !== 'NameOwnerChanged' || signal.interface !== BUS) {
      this.#options.onSignal(signal);
      return;
    }
    const [, , owner] = signal.body as string[];
    this.#options.log.info(owner === '' ? 'systemd left the bus' : 'systemd is back on the bus');
    this.#again();
  }

  #lost(connection: BusConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#closing.signal.aborted) return;
    this.#options.log.warn('The bus went away, connecting again');
    this.#again();
  }

  /** What is known of systemd may be out of date: it is read anew, without being asked. */
  #again(): void {
    this.#generation++;
    this.#current = undefined;
    for (const tell of this.#onGone) tell();
    if (this.#comingBack) return;
    this.#ready = this.#comeBack();
    // Only closing ends the tries, and whoever waits then is told so by its own call.
    this.#ready.catch(() => {});
  }
}

/** Asks systemd to send signals. A connection that has asked before is told so, which is as good. */
async function subscribe(connection: BusConnection): Promise<void> {
  try {
    await callManager(connection)('Subscribe', '', []);
  } catch (error) {
    if (busErrorName(error) !== `${SYSTEMD}.AlreadySubscribed`) throw error;
  }
}

function callManager(connection: BusConnection): ManagerCall {
  return (member, signature, body, { apply, timeoutMs } = {}) =>
    connection.call(
      {
        destination: SYSTEMD,
        path: MANAGER_PATH,
        interface: MANAGER,
        member,
        ...(signature === '' ? {} : { signature, body }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      },
      apply,
    );
}

function busCall(member: string, argument: string) {
  return { destination: BUS, path: '/org/freedesktop/DBus', interface: BUS, member, signature: 's', body: [argument] };
}
