import type { Message } from 'dbus-native';
import {
  Backoff,
  type Clock,
  FlotillaError,
  type Log,
  messageOf,
  type Random,
  unlessAborted,
} from '../../lib/index.ts';
import { BusConnection } from './bus-connection.ts';
import { busErrorName, toFlotillaError } from './bus-errors.ts';

export interface ManagerLinkOptions {
  /** D-Bus address of the bus with systemd. */
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called for systemd's signals. */
  onSignal(signal: Message): void;
  /** Called when systemd is reachable (again): everything known of it must be read anew before any other call. */
  onBack(call: ManagerCall): Promise<void>;
}

/** Calls a method of systemd's manager; `apply` sees the reply in order with the signals around it. */
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

/** Milliseconds for which a call waits for an absent systemd. */
const READY_TIMEOUT_MS = 15_000;
/** Attempts of a call that a re-execution of systemd or the end of the bus interrupted. */
const MAX_TRIES = 3;

/** A link to systemd that survives restarts of the bus and of systemd: it then subscribes and reads anew. */
export class ManagerLink {
  readonly #options: ManagerLinkOptions;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  readonly #onGone = new Set<() => void>();
  #connection: BusConnection | undefined;
  /** The connection while systemd responds on it. */
  #current: BusConnection | undefined;
  /** Settles when systemd has been read on a new connection; absent while no connection is being made. */
  #ready: Promise<BusConnection> | undefined;
  /** The number of times systemd went or came; work begun before the last of them is begun again. */
  #generation = 0;
  #comingBack = false;

  constructor(options: ManagerLinkOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ minMs: 20, maxMs: 1000 }, options.random);
  }

  /** Resolves when systemd responds; rejects with `unavailable` when it does not within 15 s. */
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

  /** Waits while systemd is away. Only for idempotent methods. */
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

  /** Reads a property of one of systemd's objects; rejects when the object does not exist. */
  async property(path: string, interfaceName: string, name: string): Promise<unknown> {
    const connection = await this.ready();
    const call = { destination: SYSTEMD, path, interface: PROPERTIES, member: 'Get' };
    const [value] = await connection.call({ ...call, signature: 'ss', body: [interfaceName, name] });
    return value;
  }

  /** Resolves when systemd is away or the signal aborts. */
  gone(signal: AbortSignal): Promise<void> {
    return unlessAborted(signal, (resolve) => {
      if (this.#current === undefined) resolve();
      this.#onGone.add(resolve);
      return () => this.#onGone.delete(resolve);
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

  /** Retries until systemd has been read on a connection that still stands. */
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

  /** Reads systemd anew on our own initiative, since the known state may be out of date. */
  #again(): void {
    this.#generation++;
    this.#current = undefined;
    for (const tell of this.#onGone) tell();
    if (this.#comingBack) return;
    this.#ready = this.#comeBack();
    // Only close() ends the retries; calls that wait then reject by themselves.
    this.#ready.catch(() => {});
  }
}

/** Asks systemd to send signals. An error for a repeated subscription is ignored. */
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
