import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Clock, Log } from '../../lib/index.ts';

export interface AccessRecord {
  readonly request: IncomingMessage;
  readonly clientAddress: string;
  readonly status: number;
  readonly bytes: number;
  readonly startMs: number;
  /** `ADDRESS:PORT` of the backend that got the request, if any. */
  readonly backend: string | undefined;
}

/** Writes one line per request: the combined format, then host, backend and duration in milliseconds. */
export class AccessLog {
  readonly #out: NodeJS.WritableStream;
  readonly #clock: Clock;

  constructor(file: string, clock: Clock, log: Log) {
    this.#clock = clock;
    this.#out = createWriteStream(file, { flags: 'a', mode: 0o640 });
    this.#out.on('error', (error) => log.error('Access log cannot be written', { file, error: error.message }));
  }

  write({ request, clientAddress, status, bytes, startMs, backend }: AccessRecord): void {
    const { method, url, httpVersion, headers } = request;
    const time = new Date(this.#clock.now()).toISOString();
    const tookMs = (this.#clock.monotonic() - startMs).toFixed(1);
    const fields = [
      `${clientAddress} - - [${time}] ${quote(`${method} ${url} HTTP/${httpVersion}`)} ${status} ${bytes}`,
      `${quote(headers.referer)} ${quote(headers['user-agent'])} ${quote(headers.host)} ${backend ?? '-'} ${tookMs}`,
    ];
    this.#out.write(`${fields.join(' ')}\n`);
  }

  close(): void {
    this.#out.end();
  }
}

/**
 * Escapes client text, so that it cannot imitate a field or line. Node decodes heads as latin1, one character per byte.
 */
function quote(text: string | undefined): string {
  if (text === undefined) return '"-"';
  return `"${text.replace(/[\x00-\x1f"\\\x7f-\xff]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
}
