import dbus, { type Message, type MessageBus } from 'dbus-native';
import { FlotillaError, messageOf } from '../../lib/index.ts';

export interface BusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** D-Bus signature of `body`, which is absent for calls without arguments. */
  readonly signature?: string;
  readonly body?: readonly unknown[];
  /** How long to wait for the answer; 25 s unless given. */
  readonly timeoutMs?: number;
}

export interface BusListener {
  /** Signals and answers come in the order in which their sender sent them, each handled before the next is read. */
  onSignal(signal: Message): void;
  /** The connection is gone; calls that were under way have failed. Comes once. */
  onClose(): void;
}

/** The bus takes 128 unanswered calls of one connection; the rest of them waits here. */
const MAX_IN_FLIGHT = 64;

/** One connection to a D-Bus daemon, which ends when the daemon does. */
export class BusConnection {
  readonly #bus: MessageBus;
  readonly #listener: BusListener;
  #inFlight = 0;
  #closed = false;
  readonly #waiting: (() => void)[] = [];

  /** Resolves once the daemon has greeted us; rejects when it is not there. */
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
    // A failed connection is told as closed: what went wrong stands in the calls that it failed.
    connection.on('error', () => connection.stream.destroy());
    connection.on('end', () => this.#end());
    connection.on('close', () => this.#end());
  }

  /**
   * Returns the values of the reply; rejects with the bus's error. `apply` sees the reply before anything that was
   * sent after it is handled: code behind an `await` does not.
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

  /** Lets systemd's bus forget about us. */
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
