import type { Change, ChangeBatch, Cluster, Snapshot } from '../cluster/index.ts';
import { AtMost, type Clock, FlotillaError, type Log } from '../lib/index.ts';
import type { ClusterReader } from './cluster-reader.ts';
import { EventStream } from './event-stream.ts';
import { LiveEvents } from './live-events.ts';
import { sorted } from './present.ts';
import type { ApiHappened } from './shapes/index.ts';
import { isReal, tellMoments } from './tell-moments.ts';
import type { UnitHealth } from './unit-health.ts';

export interface EventHubOptions {
  readonly reader: ClusterReader;
  readonly cluster: Cluster;
  /** Absent where no catalog of services is kept. */
  readonly health: UnitHealth | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly closing: AbortSignal;
  readonly maxPastEvents?: number | undefined;
}

export interface EventRequest {
  /** Only these units; all when absent. */
  readonly units?: ReadonlySet<string> | undefined;
  /** Of happenings only those of this machine or of units there. */
  readonly machine?: string | undefined;
  /** Of past happenings only those since and until then, in milliseconds since 1970. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** Resume after this revision; a whole snapshot when absent. */
  readonly after?: number | undefined;
  /** Begin with the last this many events in words. */
  readonly history: number;
  /** More were asked for than `history`, which is as many as a stream may begin with. */
  readonly historyIsCut?: boolean;
  readonly happened: boolean;
  readonly withUnits: boolean;
  /** Tell of the services that units declare as well. */
  readonly withServices: boolean;
  readonly signal: AbortSignal;
}

/** Batches that come within this time are one event for a unit they all change. */
const FOLD_MS = 1;
const MAX_STREAMS = 1000;
const MAX_REMEMBERED = 200_000;
const MAX_HISTORY_REVISIONS = 10_000;
const HISTORY_TIMEOUT_MS = 10_000;
/** Each holds the changes of up to MAX_HISTORY_REVISIONS revisions while it reads. */
const HISTORIES_AT_ONCE = 4;
/** Past events that all clients together have asked for and not taken yet. */
const MAX_PAST_EVENTS = 100_000;

const NOTHING: Pick<Snapshot, 'units' | 'placements'> = { units: new Map(), placements: new Map() };

/** All event streams of this fleetd, fed by the one view that requests share. */
export class EventHub {
  readonly #options: EventHubOptions;
  readonly #streams = new Set<EventStream>();
  /** Streams that wait for the view. */
  #opening = 0;
  /** Unit → revision of its last change, in the order of those; complete since `#since`. */
  readonly #changed = new Map<string, number>();
  #since = Number.POSITIVE_INFINITY;
  #revision = 0;
  #snapshot: Snapshot | undefined;
  readonly #live: LiveEvents;
  readonly #histories = new AtMost(HISTORIES_AT_ONCE);
  #cancelWake: (() => void) | undefined;

  constructor(options: EventHubOptions) {
    this.#options = options;
    this.#live = new LiveEvents({ clock: options.clock, tell: (happened) => this.#tell(happened) });
    options.reader.view.subscribe({
      change: (batch) => this.#onChange(batch),
      renew: (snapshot) => this.#renew(snapshot),
    });
  }

  /** How many streams are open. */
  get size(): number {
    return this.#streams.size;
  }

  /** Opens a stream; it ends, and frees what it holds, when the request's signal aborts or the API closes. */
  async open(request: EventRequest): Promise<EventStream> {
    if (this.#streams.size + this.#opening >= MAX_STREAMS) {
      throw new FlotillaError(
        'unavailable',
        `${MAX_STREAMS} event streams are open on this fleetd, which is its limit`,
      );
    }
    const { reader, clock, log, closing, health } = this.#options;
    this.#opening++;
    const { snapshot, release } = await reader.view.hold().finally(() => this.#opening--);
    const signal = AbortSignal.any([request.signal, closing]);
    const stream = new EventStream({
      reader,
      snapshot,
      clock,
      log,
      signal,
      revision: () => this.#revision,
      // A client that resumes must get again the events whose time was not known yet.
      complete: () => (request.happened ? (this.#live.firstWaiting ?? Infinity) - 1 : Infinity),
      units: request.units,
      machine: request.machine,
      withUnits: request.withUnits,
      withHappened: request.happened,
      health: request.withServices ? health : undefined,
    });
    this.#streams.add(stream);
    this.#releaseAtEnd(stream, signal, release);
    if (request.withServices && health) this.#followServices(stream, health, signal);
    this.#begin(stream, snapshot, request);
    await this.#tellPast(stream, snapshot, request, signal);
    return stream;
  }

  #releaseAtEnd(stream: EventStream, signal: AbortSignal, release: () => void): void {
    const end = () => {
      this.#streams.delete(stream);
      release();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }

  #followServices(stream: EventStream, health: UnitHealth, signal: AbortSignal): void {
    if (signal.aborted) return;
    const end = health.onChange((units) => {
      stream.owe(units, this.#revision);
      this.#wakeSoon();
    });
    signal.addEventListener('abort', end, { once: true });
  }

  #begin(stream: EventStream, snapshot: Snapshot, { after, units, withServices }: EventRequest): void {
    // Nobody remembers which services changed since.
    const known = !withServices && after !== undefined && after >= this.#since && after <= snapshot.revision;
    if (known) stream.begin(this.#changedAfter(after), after, false);
    else stream.begin(units ?? sorted(snapshot.units.keys()), -1, after !== undefined);
  }

  #changedAfter(after: number): string[] {
    const names: string[] = [];
    for (const [name, revision] of this.#changed) if (revision > after) names.push(name);
    return names;
  }

  /** What happened before the stream began, as far as it was asked for and the store still knows. */
  async #tellPast(stream: EventStream, snapshot: Snapshot, request: EventRequest, signal: AbortSignal): Promise<void> {
    const { after, history, happened, units, sinceMs, untilMs } = request;
    const resumes = happened && after !== undefined && after < snapshot.revision;
    if (history === 0 && !resumes) return;
    // The events of one unit or machine may lie far back among all others.
    const isPeriod = sinceMs !== undefined || untilMs !== undefined;
    const picked = units !== undefined || request.machine !== undefined || isPeriod;
    const mixed = picked ? MAX_HISTORY_REVISIONS : Math.max(200, history * 4);
    const limit = Math.min(resumes ? snapshot.revision - after : mixed, MAX_HISTORY_REVISIONS);
    const { reader, cluster } = this.#options;
    const { moments, until, compactedAt } = await this.#histories.run(() => {
      signal.throwIfAborted();
      return reader.view.call(() => cluster.history(limit, signal), HISTORY_TIMEOUT_MS);
    });
    const told = tellMoments(moments, snapshot)
      .flat()
      .filter(({ revision }) => !resumes || revision > after)
      .filter((event) => stream.tells(event))
      .filter(({ atMs }) => !isPeriod || isBetween(atMs, sinceMs, untilMs));
    this.#assertRoom(told.length);
    const cut = compactedAt !== undefined && told.length < history ? { compactedAt } : {};
    const isSearched = limit < MAX_HISTORY_REVISIONS || until <= limit || isBefore(moments[0]?.atMs, sinceMs);
    const isOverfull = told.length > history && (request.historyIsCut === true || isPeriod);
    const isLimited = !resumes && (isOverfull || (told.length < history && compactedAt === undefined && !isSearched));
    const limited = isLimited ? { limited: true as const } : {};
    stream.tellFirst(resumes ? told : told.slice(-history), { reached: until, ...cut, ...limited });
  }

  #assertRoom(events: number): void {
    const waiting = this.#streams.values().reduce((sum, stream) => sum + stream.pastEvents, 0);
    const limit = this.#options.maxPastEvents ?? MAX_PAST_EVENTS;
    if (waiting + events <= limit) return;
    const why = `other clients of this fleetd have ${waiting} past events to read, and ${limit} is its limit`;
    throw new FlotillaError('unavailable', `${why}: ask for fewer, or again in a minute`);
  }

  #renew(snapshot: Snapshot | undefined): void {
    this.#changed.clear();
    this.#live.clear();
    this.#snapshot = snapshot;
    this.#since = snapshot?.revision ?? Number.POSITIVE_INFINITY;
    this.#revision = snapshot?.revision ?? 0;
  }

  #onChange(batch: ChangeBatch): void {
    const real = batch.changes.filter(isReal);
    const before = this.#revision;
    const names = new Set(real.flatMap((change) => this.#unitsShowing(change)));
    for (const name of names) {
      this.#changed.delete(name);
      this.#changed.set(name, batch.revision);
    }
    this.#forgetOldest();
    for (const stream of this.#streams) stream.owe(names, before);
    this.#revision = batch.revision;
    const isFollowed = this.#streams.values().some((stream) => stream.withHappened);
    if (isFollowed && this.#snapshot !== undefined) this.#live.add(batch, this.#snapshot);
    else this.#live.clear();
    this.#wakeSoon();
  }

  #forgetOldest(): void {
    for (const [name, revision] of this.#changed) {
      if (this.#changed.size <= MAX_REMEMBERED) return;
      this.#changed.delete(name);
      this.#since = revision;
    }
  }

  /** The units whose summary a change may alter. What a destroyed unit leaves behind for a moment is not shown. */
  #unitsShowing(change: Change): string[] {
    if (change.kind === 'unit') return [change.name];
    const { units, placements } = this.#snapshot ?? NOTHING;
    if (change.kind === 'placement' || change.kind === 'status') return units.has(change.unit) ? [change.unit] : [];
    if (change.kind === 'leader' || change.before?.address === change.after?.address) return [];
    const shown: string[] = [];
    for (const [unit, machines] of placements) if (machines.has(change.id) && units.has(unit)) shown.push(unit);
    return shown;
  }

  #tell(happened: readonly ApiHappened[]): void {
    for (const stream of this.#streams) stream.tell(happened);
    this.#wakeSoon();
  }

  #wakeSoon(): void {
    this.#cancelWake ??= this.#options.clock.after(FOLD_MS, () => {
      this.#cancelWake = undefined;
      for (const stream of this.#streams) stream.wake();
    });
  }
}

function isBefore(atMs: number | undefined, sinceMs: number | undefined): boolean {
  return atMs !== undefined && sinceMs !== undefined && atMs < sinceMs;
}

function isBetween(atMs: number | undefined, sinceMs = 0, untilMs = Infinity): boolean {
  return atMs !== undefined && atMs >= sinceMs && atMs <= untilMs;
}
