import dbus, { type Message, type MessageBus } from 'dbus-native';
import { FlotillaError, messageOf } from '../../lib/index.ts';

export interface BusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** D-Bus signature of `body`; absent for calls without arguments. */
  readonly signature?: string;
  readonly body?: readonly unknown[];
  /** Limit for the response. Default 25 s. */
  readonly timeoutMs?: number;
}

export interface BusListener {
  /**
   * Called for signals. Signals and responses are handled in the order in which they were sent, each before the next is
   * read.
   */
  onSignal(signal: Message): void;
  /** Called once when the connection has ended; calls in flight have failed. */
  onClose(): void;
}

/** dbus-daemon allows 128 pending replies per connection (max_replies_per_connection); further calls wait here. */
const MAX_IN_FLIGHT = 64;

/** One connection to a D-Bus daemon. It ends with the daemon. */
export class BusConnection {
  readonly #bus: MessageBus;
  readonly #listener: BusListener;
  #inFlight = 0;
  #closed = false;
  readonly #waiting: (() => void)[] = [];

  /** Resolves after the daemon's greeting; rejects when there is no daemon. */
  static async open(address: string, listener: BusListener): Promise<BusConnection> {
    const connection = new BusConnection(address, listener);
    const bus = 'org.freedesktop.DBus';
    try {
      await connection.call({ destination: bus, path: '/org/freedesktop/DBus', interface: bus, member: 'GetId' });
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  private constructor(address: string, listener: BusListener) {
    this.#listener = listener;
    this.#bus = dbus.createClient({ busAddress: address });
    const { connection } = this.#bus;
    connection.on('message', (message: Message) => {
      if (message.type === dbus.messageType.signal) listener.onSignal(message);
    });
    // An error closes the connection; the calls that it failed carry the reason.
    connection.on('error', () => connection.stream.destroy());
    connection.on('end', () => this.#end());
    connection.on('close', () => this.#end());
  }

  /**
   * Returns the values of the reply; rejects with the bus's error. `apply` sees the reply before any later message is
   * handled, which code behind an `await` does not.
   */
  async call(call: BusCall, apply?: (...values: readonly unknown[]) => void): Promise<readonly unknown[]> {
    if (this.#inFlight >= MAX_IN_FLIGHT) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#closed) throw new FlotillaError('unavailable', 'The connection to the bus is closed');
    this.#inFlight++;
    try {
      return await this.#invoke(call, apply);
    } finally {
      this.#inFlight--;
      this.#waiting.shift()?.();
    }
  }

  #invoke(call: BusCall, apply?: (...values: readonly unknown[]) => void): Promise<readonly unknown[]> {
    const { timeoutMs, body, ...message } = call;
    return new Promise((resolve, reject) => {
      const options = timeoutMs === undefined ? {} : { timeout: timeoutMs };
      this.#bus.invoke({ ...message, ...(body ? { body: [...body] } : {}) }, options, (error, ...values) => {
        if (error) return reject(error);
        try {
          apply?.(...values);
          resolve(values);
        } catch (problem) {
          reject(new FlotillaError('internal', `${call.member} cannot be understood: ${messageOf(problem)}`));
        }
      });
    });
  }

  /** Closes the connection. */
  close(): void {
    this.#bus.connection.stream.destroy();
    this.#end();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.#listener.onClose();
  }
}
