import type { Socket } from 'node:net';
import { FlotillaError } from '../../lib/index.ts';
import { type Calls, connectTo, readLines, type SupervisorMessage } from './protocol.ts';

/** The process at the other end went away before it answered; nothing is known of what it did. */
export class ConnectionLost extends Error {}

type StatesMessage = Extract<SupervisorMessage, { all: boolean }>;

/** A connection to a supervisor process. */
export class SupervisorConnection {
  readonly #socket: Socket;
  readonly #pending = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #next = 1;
  #open = true;
  onStates: (message: StatesMessage) => void = () => {};
  onClose: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    readLines(socket, (line) => this.#receive(JSON.parse(line) as SupervisorMessage));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
  }

  static async open(path: string): Promise<SupervisorConnection> {
    return new SupervisorConnection(await connectTo(path));
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

  #receive(message: SupervisorMessage): void {
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
