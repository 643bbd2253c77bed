import type { IncomingMessage } from 'node:http';
import { EventStreamParser, systemClock } from '../lib/index.ts';
import { type ApiEvent, event } from './shapes/index.ts';
import { open } from './test-api.ts';

/** One message of an event stream; `id` when it carried one. */
export interface Message {
  readonly id?: string;
  readonly event: ApiEvent;
}

/** A client of an event stream which collects what comes. */
export class SseReader {
  readonly messages: Message[] = [];
  readonly #response: IncomingMessage;
  readonly #parser = new EventStreamParser();
  #id: string | undefined;
  #ended = false;
  #notify: () => void = () => {};
  #read = 0;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => this.#take(chunk));
    for (const end of ['end', 'error', 'close']) {
      response.on(end, () => {
        this.#ended = true;
        this.#notify();
      });
    }
  }

  static async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<SseReader> {
    const response = await open(url, { headers });
    if (response.statusCode !== 200) throw new Error(`event stream answered ${response.statusCode}`);
    return new SseReader(response);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The newest id received. */
  get lastId(): string | undefined {
    return this.messages.findLast(({ id }) => id !== undefined)?.id;
  }

  /** The next message not handed out yet. */
  async next(): Promise<ApiEvent> {
    const until = systemClock.monotonic() + 10_000;
    while (this.#read >= this.messages.length) {
      if (this.#ended) throw new Error('the event stream has ended');
      if (systemClock.monotonic() > until) throw new Error('no event came');
      await new Promise<void>((resolve) => {
        const cancel = systemClock.after(500, resolve);
        this.#notify = () => {
          cancel();
          resolve();
        };
      });
    }
    return this.messages[this.#read++]!.event;
  }

  /** All messages up to and including the first that `is` accepts. */
  async until(is: (event: ApiEvent) => boolean): Promise<ApiEvent[]> {
    const events: ApiEvent[] = [];
    for (;;) {
      const event = await this.next();
      events.push(event);
      if (is(event)) return events;
    }
  }

  close(): void {
    this.#response.destroy();
  }

  #take(chunk: string): void {
    for (const { id, data } of this.#parser.feed(chunk)) {
      this.messages.push({ ...(id === this.#id ? {} : { id: id! }), event: event.parse(JSON.parse(data)) });
      this.#id = id;
    }
    this.#notify();
  }
}
