import type {
  ApiCertificate,
  ApiCertificateList,
  ApiCertificatePut,
  ApiEvent,
  ApiMachine,
  ApiRouter,
  ApiRouterBackend,
  ApiService,
  ApiServiceList,
  ApiUnit,
  ApiUnitPut,
  ApiUnitState,
  ApiUnitStatusReport,
  ApiUnitSummary,
  ApiWhy,
} from '../api/schema.ts';
import { Backoff, type Clock, FlotillaError, isFlotillaError, type Random } from '../lib/index.ts';
import type { Endpoint } from './endpoint.ts';
import { EventStreamParser } from './sse.ts';
import { type ApiResponse, type RequestOptions, Transport, type TransportOptions } from './transport.ts';

export interface FleetClientOptions extends TransportOptions {
  readonly clock: Clock;
  readonly random: Random;
}

export interface EventsOptions {
  /** Unit names; none means all. */
  readonly units?: readonly string[];
  /** Leave out what units are, and tell of what happens instead, beginning with this many past happenings. */
  readonly happenings?: {
    readonly history: number;
    /** Of the past only what happened between these times, in milliseconds since 1970. */
    readonly sinceMs?: number | undefined;
    readonly untilMs?: number | undefined;
    /** Only what happened to this machine, or to units there. */
    readonly machine?: string | undefined;
  };
  /** Tell of the services that units declare as well. */
  readonly services?: boolean;
  readonly signal: AbortSignal;
  /** Told of each connection; `resumed` when it goes on where the last one was cut. */
  readonly onOpen?: (resumed: boolean) => void;
  /** Told when the stream was cut and is being opened again. */
  readonly onCut?: (error: FlotillaError) => void;
}

export interface JournalOptions {
  readonly machine?: string;
  readonly lines?: number;
  readonly follow?: boolean;
  readonly output?: string;
  readonly signal?: AbortSignal;
}

// Node's servers refuse heads over 16 KB, and a proxy may sooner; longer lists of names are asked for otherwise.
const MAX_QUERY_BYTES = 6000;

/**
 * The fleet API as typed calls. Every rejection is a FlotillaError with the server's own message, or one that names the
 * endpoint which does not answer.
 */
export class FleetClient {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #requestTimeoutMs: number;

  constructor(options: FleetClientOptions) {
    this.#transport = new Transport(options);
    this.#clock = options.clock;
    this.#random = options.random;
    this.#requestTimeoutMs = options.requestTimeoutMs;
  }

  /** The endpoint in use. */
  get endpoint(): Endpoint {
    return this.#transport.endpoint;
  }

  /** Every unit, sorted by name. */
  units(): Promise<readonly ApiUnit[]> {
    return this.#list<ApiUnit>('/units', 'units');
  }

  /** What every machine reports, sorted by unit and machine. */
  states(): Promise<readonly ApiUnitState[]> {
    return this.#list<ApiUnitState>('/state', 'states');
  }

  machines(): Promise<readonly ApiMachine[]> {
    return this.#list<ApiMachine>('/machines', 'machines');
  }

  /** The unit with its options, and its file as submitted; undefined when there is none. */
  async unit(name: string): Promise<ApiUnit | undefined> {
    const answer = await this.#transport.request(`/units/${encodeURIComponent(name)}?submitted=true`);
    return answer.status === 404 ? undefined : this.#json<ApiUnit>(answer);
  }

  /** Creates, replaces or changes the desired state of a unit. */
  async putUnit(name: string, put: ApiUnitPut): Promise<void> {
    const { answer } = await this.#write(name, { method: 'PUT', body: put });
    if (answer.status !== 201 && answer.status !== 204) throw this.#transport.failure(answer);
  }

  /** False when there was no such unit. */
  async deleteUnit(name: string): Promise<boolean> {
    const { answer, tries } = await this.#write(name, { method: 'DELETE' });
    // What failed at first may have been done all the same.
    if (answer.status === 404) return tries > 1;
    if (answer.status !== 204) throw this.#transport.failure(answer);
    return true;
  }

  /**
   * Changes a unit. Doing so twice is as good as once: while the store does not answer it is tried again, for as long as
   * one request may take.
   */
  async #write(
    name: string,
    request: RequestOptions,
  ): Promise<{ readonly answer: ApiResponse; readonly tries: number }> {
    const backoff = new Backoff({ minMs: 50, maxMs: 500 }, this.#random);
    const deadline = this.#clock.monotonic() + this.#requestTimeoutMs;
    for (let tries = 1; ; tries++) {
      const answer = await this.#transport.request(`/units/${encodeURIComponent(name)}`, request);
      if (answer.status !== 503 || this.#clock.monotonic() > deadline) return { answer, tries };
      await this.#clock.sleep(backoff.next());
    }
  }

  /** The named units that exist (all when none is named), by name, without their text. */
  async summaries(names: readonly string[] = []): Promise<readonly ApiUnitSummary[]> {
    const query = unitQuery(names);
    const answer = await this.#transport.request(`/summaries${query ? `?${query}` : ''}`);
    const { units: summaries } = this.#json<{ readonly units: readonly ApiUnitSummary[] }>(answer);
    if (names.length === 0 || query) return summaries;
    const wanted = new Set(names);
    return summaries.filter((summary) => wanted.has(summary.name));
  }

  async why(name: string, signal?: AbortSignal): Promise<ApiWhy> {
    const path = `/units/${encodeURIComponent(name)}/why`;
    return this.#json<ApiWhy>(await this.#transport.request(path, signal ? { signal } : {}));
  }

  /** Every service of the catalog, by name. */
  async services(): Promise<readonly ApiService[]> {
    return this.#json<ApiServiceList>(await this.#transport.request('/services')).services;
  }

  /** One service, or undefined when it has no instance. */
  async service(name: string): Promise<ApiService | undefined> {
    const answer = await this.#transport.request(`/services/${encodeURIComponent(name)}`);
    return answer.status === 404 ? undefined : this.#json<ApiService>(answer);
  }

  /** The routes of the machine that answers. */
  async router(): Promise<ApiRouter> {
    return this.#json<ApiRouter>(await this.#transport.request('/router'));
  }

  /** The backends of that machine's router, with what they are doing. */
  async routerBackends(): Promise<readonly ApiRouterBackend[]> {
    const answer = await this.#transport.request('/router/backends');
    return this.#json<{ readonly backends: readonly ApiRouterBackend[] }>(answer).backends;
  }

  /** The routes as a file for another program. */
  async routerConfig(kind: string): Promise<string> {
    const answer = await this.#transport.request(`/router/config/${encodeURIComponent(kind)}`);
    if (answer.status !== 200) throw this.#transport.failure(answer);
    return answer.text;
  }

  /** The certificates in the store, by name. */
  async certificates(): Promise<readonly ApiCertificate[]> {
    return this.#json<ApiCertificateList>(await this.#transport.request('/router/certificates')).certificates;
  }

  /** Stores a certificate in the place of the one of that name; true when there was none. */
  async putCertificate(name: string, put: ApiCertificatePut): Promise<boolean> {
    const path = `/router/certificates/${encodeURIComponent(name)}`;
    const answer = await this.#transport.request(path, { method: 'PUT', body: put });
    if (answer.status !== 201 && answer.status !== 204) throw this.#transport.failure(answer);
    return answer.status === 201;
  }

  async deleteCertificate(name: string): Promise<void> {
    const path = `/router/certificates/${encodeURIComponent(name)}`;
    const answer = await this.#transport.request(path, { method: 'DELETE' });
    if (answer.status !== 204) throw this.#transport.failure(answer);
  }

  async status(name: string, options: { machine?: string; lines?: number } = {}): Promise<ApiUnitStatusReport> {
    const query = new URLSearchParams();
    if (options.machine) query.set('machine', options.machine);
    if (options.lines !== undefined) query.set('lines', String(options.lines));
    const path = `/units/${encodeURIComponent(name)}/status?${query}`;
    return this.#json<ApiUnitStatusReport>(await this.#transport.request(path));
  }

  /** The journal's text in chunks; ends at the last line unless `follow`. */
  async *journal(name: string, options: JournalOptions = {}): AsyncGenerator<string> {
    const query = new URLSearchParams();
    if (options.machine) query.set('machine', options.machine);
    if (options.lines !== undefined) query.set('lines', String(options.lines));
    if (options.follow) query.set('follow', 'true');
    if (options.output) query.set('output', options.output);
    const path = `/units/${encodeURIComponent(name)}/journal?${query}`;
    const response = await this.#transport.stream(path, options.signal ? { signal: options.signal } : {});
    response.socket.setTimeout(0);
    try {
      for await (const chunk of response) yield chunk as string;
    } catch (error) {
      if (options.signal?.aborted) return;
      throw new FlotillaError(
        'unavailable',
        'the journal was cut off: its machine or the API server went away',
        {},
        error,
      );
    }
  }

  /**
   * Units as they are, `ready`, then changes as they happen. Once connected it survives cuts: it connects again and
   * resumes, or begins anew with `reset` when the server cannot. Ends when the signal aborts; rejects only when the
   * first connection fails.
   */
  async *events(options: EventsOptions): AsyncGenerator<ApiEvent> {
    const backoff = new Backoff({ minMs: 50, maxMs: 1000 }, this.#random);
    let after: string | undefined;
    let connected = false;
    const wanted = new Set(options.units);
    while (!options.signal.aborted) {
      try {
        for await (const { id, event } of this.#eventsOnce(options, after)) {
          connected = true;
          backoff.reset();
          after = id ?? after;
          const isOurs = !('name' in event) || wanted.size === 0 || wanted.has(event.name);
          if (isOurs) yield event;
        }
        throw new FlotillaError('unavailable', 'the event stream ended');
      } catch (error) {
        if (options.signal.aborted) return;
        if (!connected || !isFlotillaError(error)) throw error;
        // Whatever the server refused, it can always begin anew.
        if (error.code !== 'unavailable' && error.code !== 'timeout') after = undefined;
        options.onCut?.(error);
      }
      await this.#clock.sleep(backoff.next(), options.signal).catch(() => {});
    }
  }

  /** Drops kept connections, so that the process can end. */
  close(): void {
    this.#transport.close();
  }

  async *#eventsOnce(
    options: EventsOptions,
    after: string | undefined,
  ): AsyncGenerator<{ id: string | undefined; event: ApiEvent }> {
    const query = new URLSearchParams(unitQuery(options.units ?? []));
    if (options.happenings) {
      query.set('units', 'false');
      query.set('happened', 'true');
      const { history, sinceMs, untilMs, machine } = options.happenings;
      if (machine) query.set('machine', machine);
      if (after === undefined) query.set('history', String(history));
      if (sinceMs !== undefined) query.set('since', String(sinceMs));
      if (untilMs !== undefined) query.set('until', String(untilMs));
    }
    if (options.services) query.set('services', 'true');
    if (after !== undefined) query.set('after', after);
    const response = await this.#transport.stream(`/events?${query}`, { signal: options.signal });
    // The request's own timeout is for its answer; from here on silence is normal.
    response.socket.setTimeout(0);
    options.onOpen?.(after !== undefined);
    const parser = new EventStreamParser();
    try {
      for await (const chunk of response) {
        for (const { id, data } of parser.feed(chunk as string)) {
          yield { id, event: JSON.parse(data) as ApiEvent };
        }
      }
    } catch (error) {
      throw new FlotillaError('unavailable', 'the event stream was cut', {}, error);
    }
  }

  async #list<Item>(path: string, key: string): Promise<readonly Item[]> {
    const items: Item[] = [];
    let token: string | undefined;
    do {
      const query: string = token === undefined ? 'all=true' : `nextPageToken=${encodeURIComponent(token)}`;
      const page = this.#json<Record<string, unknown>>(await this.#transport.request(`${path}?${query}`));
      const batch = (page[key] ?? []) as Item[];
      token = page['nextPageToken'] as string | undefined;
      if (items.length === 0 && !token) return batch;
      for (const item of batch) items.push(item);
    } while (token);
    return items;
  }

  #json<Value>(answer: ApiResponse): Value {
    if (answer.status !== 200) throw this.#transport.failure(answer);
    try {
      return JSON.parse(answer.text) as Value;
    } catch {
      throw this.#transport.failure(answer);
    }
  }
}

/** `unit=a&unit=b`, or nothing when that would be too long to send. */
function unitQuery(names: readonly string[]): string {
  const query = names.map((name) => `unit=${encodeURIComponent(name)}`).join('&');
  return query.length > MAX_QUERY_BYTES ? '' : query;
}
