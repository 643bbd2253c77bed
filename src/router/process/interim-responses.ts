import { answerHeaders } from './headers.ts';

const MAX_RESPONSES = 100;
const MAX_BYTES = 64 * 1024;

/** Passes on the informational responses to one request (RFC 9110 §15.2), within limits. */
export class InterimResponses {
  #count = 0;
  #bytes = 0;

  /** Returns the headers of the next one as the client gets them. Throws when they are too many. */
  next(raw: readonly (Buffer | string)[]): string[] {
    this.#bytes += raw.reduce((sum, text) => sum + text.length, 0);
    if (++this.#count > MAX_RESPONSES || this.#bytes > MAX_BYTES) throw new Error('too many informational responses');
    const headers = answerHeaders(raw);
    // A 1xx response must not have Content-Length (RFC 9110 §8.6).
    return headers.filter((_, at) => headers[at - (at % 2)]!.toLowerCase() !== 'content-length');
  }
}
