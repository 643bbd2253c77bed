import { createParser } from 'eventsource-parser';
import { FlotillaError } from './errors.ts';

/** One server-sent event: `id` is the last one seen on the stream. */
export interface ServerEvent {
  readonly id: string | undefined;
  readonly data: string;
}

/**
 * Longest event or line that is kept until it is complete, in characters. A global unit on 10,000 machines makes an event of
 * 4 MB, which is the largest that fleetd sends.
 */
export const MAX_EVENT_CHARS = 32 * 1024 * 1024;

/** Cuts a text/event-stream into events; feed it chunks as they come. */
export class EventStreamParser {
  #id: string | undefined;
  #events: ServerEvent[] = [];
  readonly #parser = createParser({
    maxBufferSize: MAX_EVENT_CHARS,
    // The parser gives an event only the id of its own; by the standard the last one counts until the next.
    // https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
    onId: (id) => {
      this.#id = id;
    },
    onEvent: ({ data }) => this.#events.push({ id: this.#id, data }),
    onError: ({ type }) => {
      // The standard ignores any other error: an unknown field, and a retry that is no number.
      if (type !== 'max-buffer-size-exceeded') return;
      throw new FlotillaError('too-large', `an event of the stream is larger than ${MAX_EVENT_CHARS} characters`);
    },
  });

  /** The events that this chunk completed. Throws `too-large` for an event above the limit. */
  feed(chunk: string): ServerEvent[] {
    this.#parser.feed(chunk);
    return this.#events.splice(0);
  }
}
