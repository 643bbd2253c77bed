import type { IncomingMessage } from 'node:http';
import type { BodySent, CallAt, JsonOf, Method, PathOf, PathValues, QuerySent } from '../api/shapes/index.ts';
import { expandUrl } from '../lib/index.ts';
import type { ApiResponse, Transport } from './transport.ts';

/** What the path of a call holds in its braces, and its query. */
interface Asked<M extends Method, Path extends PathOf<M>> {
  readonly path: PathValues<Path>;
  readonly query?: QuerySent<CallAt<M, Path>>;
  readonly signal?: AbortSignal | undefined;
}

/** Requests to the API. The server's table of calls types them; its code stays with the server. */
export class ApiRequests {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The JSON of a 200; another status is thrown. */
  async get<Path extends PathOf<'GET'>>(path: Path, asked: Asked<'GET', Path>): Promise<JsonOf<CallAt<'GET', Path>>> {
    return this.#json(await this.#request(path, asked));
  }

  /** The same, but undefined for a 404. */
  async find<Path extends PathOf<'GET'>>(
    path: Path,
    asked: Asked<'GET', Path>,
  ): Promise<JsonOf<CallAt<'GET', Path>> | undefined> {
    const response = await this.#request(path, asked);
    return response.status === 404 ? undefined : this.#json(response);
  }

  /** The text of a 200; another status is thrown. */
  async text<Path extends PathOf<'GET'>>(path: Path, asked: Asked<'GET', Path>): Promise<string> {
    const response = await this.#request(path, asked);
    if (response.status !== 200) throw this.#transport.failure(response);
    return response.text;
  }

  /** The stream of a 200, which may be silent for any time; another status is thrown. */
  async stream<Path extends PathOf<'GET'>>(path: Path, asked: Asked<'GET', Path>): Promise<IncomingMessage> {
    const { signal } = asked;
    const response = await this.#transport.stream(urlOf(path, asked), signal ? { signal } : {});
    // The request's own timeout is for its response; from here on silence is normal.
    response.socket.setTimeout(0);
    return response;
  }

  /** Whatever the server responds. */
  put<Path extends PathOf<'PUT'>>(
    path: Path,
    asked: Asked<'PUT', Path> & { readonly body: BodySent<CallAt<'PUT', Path>> },
  ): Promise<ApiResponse> {
    return this.#transport.request(urlOf(path, asked), { method: 'PUT', body: asked.body });
  }

  /** Whatever the server responds. */
  delete<Path extends PathOf<'DELETE'>>(path: Path, asked: Asked<'DELETE', Path>): Promise<ApiResponse> {
    return this.#transport.request(urlOf(path, asked), { method: 'DELETE' });
  }

  /** Throws unless the response says that a change was made. */
  assertDone(response: ApiResponse): void {
    if (response.status !== 201 && response.status !== 204) throw this.#transport.failure(response);
  }

  #request<Path extends PathOf<'GET'>>(path: Path, asked: Asked<'GET', Path>): Promise<ApiResponse> {
    const { signal } = asked;
    return this.#transport.request(urlOf(path, asked), signal ? { signal } : {});
  }

  #json<Value>(response: ApiResponse): Value {
    if (response.status !== 200) throw this.#transport.failure(response);
    try {
      return JSON.parse(response.text);
    } catch {
      throw this.#transport.failure(response);
    }
  }
}

function urlOf(
  path: string,
  asked: { readonly path: Readonly<Record<string, string>>; readonly query?: object },
): string {
  return `/${expandUrl(path, asked.path, asked.query)}`;
}
