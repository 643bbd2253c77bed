import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Clock, Log } from '../../lib/index.ts';

export interface AccessRecord {
  readonly request: IncomingMessage;
  readonly clientAddress: string;
  readonly status: number;
  readonly bytes: number;
  readonly startMs: number;
  /** `ADDRESS:PORT`, where one had the request. */
  readonly backend: string | undefined;
}

/** One line for each request, in the combined format, then the host, the backend and the milliseconds it took. */
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

/** Nothing a client says may look like another line or field. Node reads heads as one character for each byte. */
function quote(text: string | undefined): string {
  if (text === undefined) return '"-"';
  return `"${text.replace(/[\x00-\x1f"\\\x7f-\xff]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
}
