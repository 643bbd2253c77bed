import type {
  ApiCertificate,
  ApiCertificatePut,
  ApiEvent,
  ApiMachine,
  ApiRouter,
  ApiRouterBackend,
  ApiService,
  ApiUnit,
  ApiUnitPut,
  ApiUnitState,
  ApiUnitStatusReport,
  ApiUnitSummary,
  ApiWhy,
} from '../api/shapes/index.ts';
import { Backoff, type Clock, EventStreamParser, FlotillaError, isFlotillaError, type Random } from '../lib/index.ts';
import { ApiRequests } from './api-requests.ts';
import type { Endpoint } from './endpoint.ts';
import { type ApiResponse, Transport, type TransportOptions } from './transport.ts';

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
  readonly #requests: ApiRequests;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #requestTimeoutMs: number;

  constructor(options: FleetClientOptions) {
    this.#transport = new Transport(options);
    this.#requests = new ApiRequests(this.#transport);
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
    return allPages(
      (query) => this.#requests.get('units', { path: {}, query }),
      ({ units }) => units,
    );
  }

  /** Every machine's reports, sorted by unit and machine. */
  states(): Promise<readonly ApiUnitState[]> {
    return allPages(
      (query) => this.#requests.get('state', { path: {}, query }),
      ({ states }) => states,
    );
  }

  machines(): Promise<readonly ApiMachine[]> {
    return allPages(
      (query) => this.#requests.get('machines', { path: {}, query }),
      ({ machines }) => machines,
    );
  }

  /** The unit with its options, and its file as submitted; undefined when there is none. */
  unit(name: string): Promise<ApiUnit | undefined> {
    return this.#requests.find('units/{unitName}', { path: { unitName: name }, query: { submitted: true } });
  }

  /** Creates, replaces or changes the desired state of a unit. */
  async putUnit(name: string, put: ApiUnitPut): Promise<void> {
    const path = { unitName: name };
    const { response } = await this.#persist(() => this.#requests.put('units/{unitName}', { path, body: put }));
    this.#requests.assertDone(response);
  }

  /** False when there was no such unit. */
  async deleteUnit(name: string): Promise<boolean> {
    const path = { unitName: name };
    const { response, tries } = await this.#persist(() => this.#requests.delete('units/{unitName}', { path }));
    // An attempt that failed may have deleted the unit all the same.
    if (response.status === 404) return tries > 1;
    this.#requests.assertDone(response);
    return true;
  }

  /**
   * Changes a unit. Doing so twice is as good as once: while the store does not respond, the request is sent again, for as
   * long as one request may take.
   */
  async #persist(
    send: () => Promise<ApiResponse>,
  ): Promise<{ readonly response: ApiResponse; readonly tries: number }> {
    const backoff = new Backoff({ minMs: 50, maxMs: 500 }, this.#random);
    const deadline = this.#clock.monotonic() + this.#requestTimeoutMs;
    for (let tries = 1; ; tries++) {
      const response = await send();
      if (response.status !== 503 || this.#clock.monotonic() > deadline) return { response, tries };
      await this.#clock.sleep(backoff.next());
    }
  }

  /** The named units that exist (all when none is named), by name, without their text. */
  async summaries(names: readonly string[] = []): Promise<readonly ApiUnitSummary[]> {
    const unit = namesToSend(names);
    const { units: summaries } = await this.#requests.get('summaries', { path: {}, query: { unit } });
    if (unit !== undefined) return summaries;
    const wanted = new Set(names);
    return names.length === 0 ? summaries : summaries.filter((summary) => wanted.has(summary.name));
  }

  why(name: string, signal?: AbortSignal): Promise<ApiWhy> {
    return this.#requests.get('units/{unitName}/why', { path: { unitName: name }, signal });
  }

  /** Every service of the catalog, by name. */
  async services(): Promise<readonly ApiService[]> {
    return (await this.#requests.get('services', { path: {} })).services;
  }

  /** One service, or undefined when it has no instance. */
  service(name: string): Promise<ApiService | undefined> {
    return this.#requests.find('services/{serviceName}', { path: { serviceName: name } });
  }

  /** The routes of the machine behind the endpoint. */
  router(): Promise<ApiRouter> {
    return this.#requests.get('router', { path: {} });
  }

  /** The backends of that machine's router, and their activity. */
  async routerBackends(): Promise<readonly ApiRouterBackend[]> {
    return (await this.#requests.get('router/backends', { path: {} })).backends;
  }

  /** The routes as a file for another program. */
  routerConfig(kind: string): Promise<string> {
    return this.#requests.text('router/config/{kind}', { path: { kind } });
  }

  /** The certificates in the store, by name. */
  async certificates(): Promise<readonly ApiCertificate[]> {
    return (await this.#requests.get('router/certificates', { path: {} })).certificates;
  }

  /** Stores a certificate in the place of the one of that name; true when there was none. */
  async putCertificate(name: string, put: ApiCertificatePut): Promise<boolean> {
    const asked = { path: { certificateName: name }, body: put };
    const response = await this.#requests.put('router/certificates/{certificateName}', asked);
    this.#requests.assertDone(response);
    return response.status === 201;
  }

  async deleteCertificate(name: string): Promise<void> {
    const path = { certificateName: name };
    this.#requests.assertDone(await this.#requests.delete('router/certificates/{certificateName}', { path }));
  }

  status(name: string, query: { machine?: string; lines?: number } = {}): Promise<ApiUnitStatusReport> {
    return this.#requests.get('units/{unitName}/status', { path: { unitName: name }, query });
  }

  /** The journal's text in chunks; ends at the last line unless `follow`. */
  async *journal(name: string, { signal, ...query }: JournalOptions = {}): AsyncGenerator<string> {
    const asked = { path: { unitName: name }, query, signal };
    const response = await this.#requests.stream('units/{unitName}/journal', asked);
    try {
      for await (const chunk of response) yield chunk;
    } catch (error) {
      if (signal?.aborted) return;
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
    const { units = [], happenings, services, signal } = options;
    const query = {
      unit: namesToSend(units),
      ...(happenings && {
        units: false,
        happened: true,
        machine: happenings.machine || undefined,
        history: after === undefined ? happenings.history : undefined,
        since: happenings.sinceMs,
        until: happenings.untilMs,
      }),
      services,
      after,
    };
    const response = await this.#requests.stream('events', { path: {}, query, signal });
    options.onOpen?.(after !== undefined);
    const parser = new EventStreamParser();
    try {
      for await (const chunk of response) {
        for (const { id, data } of parser.feed(chunk)) {
          const event: ApiEvent = JSON.parse(data);
          yield { id, event };
        }
      }
    } catch (error) {
      if (isFlotillaError(error)) throw error;
      throw new FlotillaError('unavailable', 'the event stream was cut', {}, error);
    }
  }
}

interface Page {
  readonly nextPageToken?: string;
}

/** The items of every page. Our server sends all at once; fleet's own sends pages, and leaves an empty list out of them. */
async function allPages<P extends Page, Item>(
  get: (query: { readonly all: true } | { readonly nextPageToken: readonly string[] }) => Promise<P>,
  itemsOf: (page: P) => readonly Item[] | undefined,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  let token: string | undefined;
  do {
    const page = await get(token === undefined ? { all: true } : { nextPageToken: [token] });
    const batch = itemsOf(page) ?? [];
    token = page.nextPageToken;
    if (items.length === 0 && !token) return batch;
    for (const item of batch) items.push(item);
  } while (token);
  return items;
}

/** The names for a query; undefined when there is none, or when they are too long to send. */
function namesToSend(names: readonly string[]): readonly string[] | undefined {
  const bytes = names.reduce((sum, name) => sum + encodeURIComponent(name).length + '&unit='.length, 0);
  return bytes === 0 || bytes > MAX_QUERY_BYTES ? undefined : names;
}
