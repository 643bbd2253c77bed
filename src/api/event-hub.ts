import type { Change, ChangeBatch, Cluster, Snapshot } from '../cluster/index.ts';
import { type Clock, FlotillaError, type Log } from '../lib/index.ts';
import type { ClusterReader } from './cluster-reader.ts';
import { EventStream, type Happened } from './event-stream.ts';
import { type Narrated, narrate, shortMachine } from './narrate.ts';
import { sorted } from './present.ts';
import type { UnitHealth } from './unit-health.ts';

export interface EventHubOptions {
  readonly reader: ClusterReader;
  readonly cluster: Cluster;
  /** Absent where no catalog of services is kept. */
  readonly health: UnitHealth | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly closing: AbortSignal;
}

export interface EventRequest {
  /** Only these units; all when absent. */
  readonly units?: ReadonlySet<string> | undefined;
  /** Resume after this revision; a whole snapshot when absent. */
  readonly after?: number | undefined;
  /** Begin with the last this many events in words. */
  readonly history: number;
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

const NOTHING: Pick<Snapshot, 'units' | 'placements'> = { units: new Map(), placements: new Map() };

/** All event streams of this fleetd, fed by the one view that requests share. */
export class EventHub {
  readonly #options: EventHubOptions;
  readonly #streams = new Set<EventStream>();
  /** Unit → revision of its last change, in the order of those; complete since `#since`. */
  readonly #changed = new Map<string, number>();
  #since = Number.POSITIVE_INFINITY;
  #revision = 0;
  #snapshot: Snapshot | undefined;
  #cancelWake: (() => void) | undefined;

  constructor(options: EventHubOptions) {
    this.#options = options;
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
    if (this.#streams.size >= MAX_STREAMS) {
      throw new FlotillaError(
        'unavailable',
        `${MAX_STREAMS} event streams are open on this fleetd, which is its limit`,
      );
    }
    const { reader, clock, log, closing, health } = this.#options;
    const { snapshot, release } = await reader.view.hold();
    const signal = AbortSignal.any([request.signal, closing]);
    const stream = new EventStream({
      reader,
      snapshot,
      clock,
      log,
      signal,
      revision: () => this.#revision,
      units: request.units,
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
      stream.owe(units, this.#revision, []);
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

  /** What happened before the stream began, in words, as far as it was asked for and the store still knows. */
  async #tellPast(
    stream: EventStream,
    snapshot: Snapshot,
    { after, history, happened, units }: EventRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const resumes = happened && after !== undefined && after < snapshot.revision;
    if (history === 0 && !resumes) return;
    // What a few units went through may lie far back among what all the others did.
    const mixed = units === undefined ? Math.max(200, history * 4) : MAX_HISTORY_REVISIONS;
    const wanted = resumes ? snapshot.revision - after : mixed;
    const { reader, cluster } = this.#options;
    const limit = Math.min(wanted, MAX_HISTORY_REVISIONS);
    const batches = await reader.view.call(() => cluster.history(limit, signal), HISTORY_TIMEOUT_MS);
    const nameMachine = (id: string) => shortMachine(id, snapshot.machines.get(id)?.address ?? addressIn(batches, id));
    const told = batches
      .filter(({ revision }) => !resumes || revision > after)
      .flatMap(({ revision, changes, atMs }) =>
        tell(changes, nameMachine).map((event) => ({ ...(atMs === undefined ? {} : { atMs }), ...event, revision })),
      )
      .filter(({ subject, name }) => units === undefined || (subject === 'unit' && units.has(name)))
      .map((event) => ({ type: 'happened' as const, ...event }));
    stream.tellFirst(resumes ? told : told.slice(-history), batches.at(-1)?.revision ?? 0);
  }

  #renew(snapshot: Snapshot | undefined): void {
    this.#changed.clear();
    this.#snapshot = snapshot;
    this.#since = snapshot?.revision ?? Number.POSITIVE_INFINITY;
    this.#revision = snapshot?.revision ?? 0;
  }

  #onChange(batch: ChangeBatch): void {
    const real = batch.changes.filter(isReal);
    const names = new Set(real.flatMap((change) => this.#unitsShowing(change)));
    for (const name of names) {
      this.#changed.delete(name);
      this.#changed.set(name, batch.revision);
    }
    this.#forgetOldest();
    const before = this.#revision;
    const happened = this.#happened(real, batch.revision);
    for (const stream of this.#streams) stream.owe(names, before, happened);
    this.#revision = batch.revision;
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

  #happened(changes: readonly Change[], revision: number): Happened[] {
    if (!this.#streams.values().some((stream) => stream.withHappened)) return [];
    const address = (id: string) => this.#snapshot?.machines.get(id)?.address ?? addressIn([{ changes }], id);
    const atMs = this.#options.clock.now();
    const told = tell(changes, (id) => shortMachine(id, address(id)));
    return told.map((event) => ({ type: 'happened' as const, revision, atMs, ...event }));
  }

  #wakeSoon(): void {
    this.#cancelWake ??= this.#options.clock.after(FOLD_MS, () => {
      this.#cancelWake = undefined;
      for (const stream of this.#streams) stream.wake();
    });
  }
}

function tell(changes: readonly Change[], nameMachine: (id: string) => string): Narrated[] {
  return changes.map((change) => narrate(change, nameMachine)).filter((event) => event !== undefined);
}

/** A view that had to be read anew reports everything as changed. */
function isReal({ before, after }: Change): boolean {
  return before === undefined || after === undefined || JSON.stringify(before) !== JSON.stringify(after);
}

/** The address of a machine that is gone, from the changes that tell of it. */
function addressIn(batches: readonly Pick<ChangeBatch, 'changes'>[], id: string): string | undefined {
  for (const { changes } of batches) {
    for (const change of changes) {
      if (change.kind === 'machine' && change.id === id) return (change.before ?? change.after)?.address;
    }
  }
  return undefined;
}
