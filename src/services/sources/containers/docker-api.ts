import { type IncomingMessage, request } from 'node:http';
import { FlotillaError, readParts } from '../../../lib/index.ts';
import { type ContainerInspect, readInspect, tooLarge } from './inspect.ts';

/** One element of the list of running containers. */
export interface ContainerSummary {
  readonly Id: string;
  readonly Names?: readonly string[];
  readonly Ports?: readonly unknown[];
}

export interface ContainerEvent {
  readonly Action?: string;
  readonly Actor?: { readonly ID?: string };
  readonly timeNano?: number;
}

/** Events after which a container no longer runs: Docker's and Podman's, whose event filter may not know Docker's. */
export const ENDINGS: readonly string[] = ['die', 'destroy', 'died', 'remove'];

/** The most bytes of a response: several times that of a container with 1,024 published ports and all its variables. */
const MAX_INSPECT_BYTES = 4 << 20;

/** A client of Docker's API over its unix socket. Rejects with FlotillaError `unavailable` when it does not respond. */
export class DockerApi {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async running(signal: AbortSignal): Promise<readonly ContainerSummary[]> {
    return JSON.parse((await this.#text('/containers/json', signal)) ?? '[]') as readonly ContainerSummary[];
  }

  /** Returns undefined when the container is gone. Rejects with FlotillaError `too-large` when its text is too large. */
  async inspect(id: string, signal: AbortSignal): Promise<ContainerInspect | undefined> {
    const text = await this.#text(`/containers/${encodeURIComponent(id)}/json`, signal, MAX_INSPECT_BYTES);
    return text === undefined ? undefined : readInspect(text);
  }

  /** Yields the starts, ends and renamings of containers since a time (seconds since 1970), until the connection ends. */
  async *events(since: string, signal: AbortSignal): AsyncGenerator<ContainerEvent> {
    const filters = { type: ['container'], event: ['start', 'rename', ...ENDINGS] };
    const query = new URLSearchParams({ since, filters: JSON.stringify(filters) });
    const response = await this.#get(`/events?${query}`, signal);
    if (response.statusCode !== 200) throw new FlotillaError('unavailable', `docker answered ${response.statusCode}`);
    let rest = '';
    for await (const part of response.setEncoding('utf8')) {
      const lines = (rest + part).split('\n');
      rest = lines.pop()!;
      for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as ContainerEvent;
    }
  }

  async #text(path: string, signal: AbortSignal, maxBytes = Number.POSITIVE_INFINITY): Promise<string | undefined> {
    const response = await this.#get(path, signal);
    const text = (await readParts(response, maxBytes, tooLarge)).toString('utf8');
    if (response.statusCode === 404) return undefined;
    if (response.statusCode === 200) return text;
    throw new FlotillaError('unavailable', `docker answered ${response.statusCode}: ${text.slice(0, 200).trim()}`);
  }

  #get(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.#socketPath, path, signal, agent: false, headers: { host: 'docker' } });
      sent.on('response', resolve);
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const facts = { code: error.code };
        reject(
          new FlotillaError('unavailable', `cannot ask docker at ${this.#socketPath}: ${error.message}`, facts, error),
        );
      });
      sent.end();
    });
  }
}
