import type { Socket } from 'node:net';
import { FlotillaError } from '../../lib/index.ts';
import { type Calls, connectTo, type Message, readLines } from './protocol.ts';

/** The process at the other end went away before it answered; nothing is known of what it did. */
export class ConnectionLost extends Error {}

type StatesMessage = Extract<Message, { all: boolean }>;

/** A connection to a supervisor process. */
export class Connection {
  readonly #socket: Socket;
  readonly #pending = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #next = 1;
  #open = true;
  onStates: (message: StatesMessage) => void = () => {};
  onClose: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    readLines(socket, (line) => this.#receive(JSON.parse(line) as Message));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
  }

  static async open(path: string): Promise<Connection> {
    return new Connection(await connectTo(path));
  }

  call<C extends keyof Calls>(call: C, args: Calls[C]['args']): Promise<Calls[C]['answer']> {
    if (!this.#open) return Promise.reject(new ConnectionLost());
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#socket.write(`${JSON.stringify({ id, call, args })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(message: Message): void {
    if ('all' in message) {
      this.onStates(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if ('error' in message) pending?.reject(new FlotillaError(message.error.code, message.error.message));
    else pending?.resolve(message.answer);
  }

  #closed(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const { reject } of this.#pending.values()) reject(new ConnectionLost());
    this.#pending.clear();
    this.onClose();
  }
}
