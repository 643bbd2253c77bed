/** One server-sent event: `id` is the last one seen on the stream. */
export interface ServerEvent {
  readonly id: string | undefined;
  readonly data: string;
}

/** Cuts a text/event-stream into events; feed it chunks as they come. */
export class EventStreamParser {
  #rest = '';
  #id: string | undefined;
  #data: string[] = [];

  /** The events completed by this chunk. */
  feed(chunk: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const raw of lines) {
      const event = this.#line(raw.endsWith('\r') ? raw.slice(0, -1) : raw);
      if (event) events.push(event);
    }
    return events;
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') {
      if (this.#data.length === 0) return undefined;
      const event = { id: this.#id, data: this.#data.join('\n') };
      this.#data = [];
      return event;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    if (field === 'id') this.#id = value;
    return undefined;
  }
}
