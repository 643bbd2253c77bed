import type { Snapshot } from '../cluster/index.ts';
import { type Clock, type Log, messageOf, unlessAborted } from '../lib/index.ts';
import type { ClusterReader } from './cluster-reader.ts';
import { summaryOf } from './present.ts';
import type { ApiEvent, ApiHappened, ApiMachineName } from './shapes/index.ts';
import { declaresServices, type UnitHealth } from './unit-health.ts';

/** Comments keep proxies and idle timeouts from ending a quiet stream. */
const PING_MS = 15_000;
const UNITS_PER_CHUNK = 100;
/** Events in words that one piece of the stream holds. */
const HAPPENED_PER_CHUNK = 200;
/** More events than this in words are not kept for a client that does not read. */
const MAX_HAPPENED = 2000;
/** How long to wait before the store is asked again for the text of a unit. */
const TEXT_RETRY_MS = 500;

export interface EventStreamOptions {
  readonly reader: ClusterReader;
  /** Live: always the newest state. */
  readonly snapshot: Snapshot;
  /** Revision of the newest change that streams have been told of. */
  readonly revision: () => number;
  /** Up to which revision everything that happened has been told to the streams; Infinity when nothing waits. */
  readonly complete: () => number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Only these units; all when absent. */
  readonly units?: ReadonlySet<string> | undefined;
  /** Of happenings only those of this machine, or of units there. */
  readonly machine?: string | undefined;
  readonly withUnits: boolean;
  readonly withHappened: boolean;
  /** With it, units come with the services that they declare. */
  readonly health?: UnitHealth | undefined;
}

/**
 * What one client is owed, and the text that pays it. Owed are names of units and not events, so a client that reads
 * slowly finds many changes folded into one, and costs no more memory than there are units.
 */
export class EventStream {
  readonly #options: EventStreamOptions;
  /** Unit → the revision up to which the client knew it; in the order in which it became owed. */
  readonly #owed = new Map<string, number>();
  #happened: ApiHappened[] = [];
  /** Told before those, and shared with no other stream. */
  #past: ApiHappened[] = [];
  /** What happened up to this revision has been told from the history. */
  #toldUpTo = 0;
  /** How what was told of the past falls short of what was asked for. */
  #cut: PastCut = {};
  #leftOut = 0;
  /** Units to be sent before `ready`: the first of those owed. */
  #untilReady = 0;
  #opening: ApiEvent[] = [];
  #isReady = false;
  #lastId = -1;
  #notify: (() => void) | undefined;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  get withHappened(): boolean {
    return this.#options.withHappened;
  }

  /** Past events that the client has not taken yet. */
  get pastEvents(): number {
    return this.#past.length;
  }

  /** What the stream begins with: all of `names`, of which the client knows nothing after revision `after`. */
  begin(names: Iterable<string>, after: number, reset: boolean): void {
    if (reset) this.#opening.push({ type: 'reset', revision: this.#options.revision() });
    if (this.#options.withUnits) for (const name of names) if (this.#selects(name)) this.#owed.set(name, after);
    this.#untilReady = this.#owed.size;
    this.#lastId = after;
  }

  /** Past events, all there were up to the revision `reached`; what was owed of those meanwhile is among them. */
  tellFirst(happened: readonly ApiHappened[], { reached, ...cut }: { readonly reached: number } & PastCut): void {
    this.#past = [...happened];
    this.#happened = this.#happened.filter(({ revision }) => revision > reached);
    this.#toldUpTo = reached;
    this.#cut = cut;
  }

  /** Changes: the client knows these units up to revision `before`. */
  owe(names: Iterable<string>, before: number): void {
    if (!this.#options.withUnits) return;
    for (const name of names) if (this.#selects(name) && !this.#owed.has(name)) this.#owed.set(name, before);
  }

  /** What happens now. */
  tell(happened: readonly ApiHappened[]): void {
    if (!this.#options.withHappened) return;
    const isNew = (event: ApiHappened) => event.revision > this.#toldUpTo && this.tells(event);
    for (const event of happened) if (isNew(event)) this.#happened.push(event);
    const excess = this.#happened.length - MAX_HAPPENED;
    if (excess > 0) this.#happened.splice(0, excess);
    this.#leftOut += Math.max(excess, 0);
  }

  /** Lets a waiting reader see what has been owed. */
  wake(): void {
    this.#notify?.();
  }

  /** The next piece of the stream's text, waiting for one; undefined at its end. */
  async next(): Promise<string | undefined> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      if (!(await this.#textsAtHand()) || !(await this.#healthAtHand())) {
        await this.#wait(TEXT_RETRY_MS);
        continue;
      }
      const text = this.#take();
      if (text !== '') return text;
      if (!(await this.#wait(PING_MS)) && !signal.aborted) return ':\n\n';
    }
    return undefined;
  }

  #selects(name: string): boolean {
    return this.#options.units?.has(name) ?? true;
  }

  /** True for what this stream was opened for. */
  tells({ subject, name, machine }: ApiHappened): boolean {
    const { units, machine: wanted } = this.#options;
    if (wanted !== undefined && !(machine && isMeant(machine, wanted))) return false;
    return units === undefined || (subject === 'unit' && units.has(name));
  }

  /** Reads the texts of the units that come next; false when the store did not give them. */
  async #textsAtHand(): Promise<boolean> {
    const { reader, snapshot, log } = this.#options;
    const units = this.#nextNames().map((name) => snapshot.units.get(name));
    const missing = reader.missing(units.filter((unit) => unit !== undefined));
    if (missing.length === 0) return true;
    try {
      await reader.loadTexts(missing);
      return true;
    } catch (error) {
      log.debug('Events wait for the text of a unit', { error: messageOf(error) });
      return false;
    }
  }

  /** Services in an event are never older than their unit in it. Returns false when the store does not respond. */
  async #healthAtHand(): Promise<boolean> {
    const { reader, snapshot, health, log } = this.#options;
    if (health === undefined) return true;
    const units = this.#nextNames().map((name) => snapshot.units.get(name));
    if (!units.some((unit) => unit && declaresServices(reader.textAtHand(unit.hash).options))) return true;
    try {
      await reader.view.call(() => health.refresh());
      return true;
    } catch (error) {
      log.debug('Events wait for the catalog', { error: messageOf(error) });
      return false;
    }
  }

  #nextNames(): string[] {
    return this.#owed.keys().take(UNITS_PER_CHUNK).toArray();
  }

  /** Pays what is owed, up to a chunk of units; in one turn of the event loop, so that it is of one state. */
  #take(): string {
    const events: ApiEvent[] = this.#opening.splice(0);
    events.push(...this.#past.splice(0, HAPPENED_PER_CHUNK));
    if (this.#past.length > 0) return this.#format(events);
    if (this.#leftOut > 0) events.push(this.#apology());
    events.push(...this.#happened.splice(0, HAPPENED_PER_CHUNK));
    if (this.#happened.length > 0) return this.#format(events);
    const changedSince = this.#options.health?.changedSince();
    for (const name of this.#nextNames()) {
      if (!this.#isReady && this.#untilReady-- === 0) events.push(this.#ready());
      this.#owed.delete(name);
      events.push(this.#unitEvent(name));
      // Told while its services changed: nobody would owe the change, which came when the unit was owed already.
      if (changedSince?.has(name)) this.#owed.set(name, this.#options.revision());
    }
    if (!this.#isReady && this.#untilReady <= 0) events.push(this.#ready());
    return this.#format(events);
  }

  #unitEvent(name: string): ApiEvent {
    const { reader, snapshot, revision, health } = this.#options;
    const unit = snapshot.units.get(name);
    const summary = unit === undefined ? null : summaryOf(snapshot, unit, reader.textAtHand(unit.hash), health);
    return { type: 'unit', revision: revision(), name, unit: summary };
  }

  #ready(): ApiEvent {
    this.#isReady = true;
    const { snapshot, revision } = this.#options;
    const leader = snapshot.leader === undefined ? {} : { leader: snapshot.leader.machine };
    return { type: 'ready', revision: revision(), machines: snapshot.machines.size, ...leader, ...this.#cut };
  }

  #apology(): ApiEvent {
    const sentence = `${this.#leftOut} events were left out here, since this stream is read too slowly`;
    this.#leftOut = 0;
    return {
      ...{ type: 'happened', kind: 'left-out', subject: 'leader', name: '' },
      ...{ revision: this.#options.revision(), sentence },
    } as const;
  }

  /** The last event gets the id: the revision up to which nothing is owed any more. */
  #format(events: readonly ApiEvent[]): string {
    const paid = this.#owed.values().next().value ?? this.#options.revision();
    const untold = Math.min(this.#past[0]?.revision ?? Infinity, this.#happened[0]?.revision ?? Infinity) - 1;
    const id = Math.min(paid, this.#options.complete(), untold);
    const advanced = this.#isReady && id > this.#lastId;
    const last = events.length - 1;
    if (advanced && last >= 0) this.#lastId = id;
    return events
      .map((event, i) => `${advanced && i === last ? `id: ${id}\n` : ''}data: ${JSON.stringify(event)}\n\n`)
      .join('');
  }

  /** Waits for a wake; false when none came in time. */
  async #wait(ms: number): Promise<boolean> {
    const { clock, signal } = this.#options;
    const woken = await unlessAborted<boolean>(signal, (resolve) => {
      const cancel = clock.after(ms, () => resolve(false));
      this.#notify = () => resolve(true);
      return () => {
        cancel();
        this.#notify = undefined;
      };
    });
    return woken ?? false;
  }
}

type PastCut = Pick<Extract<ApiEvent, { type: 'ready' }>, 'compactedAt' | 'limited'>;

/** A machine that is gone is known by its last name and address, too. */
function isMeant({ id, hostname, address }: ApiMachineName, wanted: string): boolean {
  return id.startsWith(wanted) || hostname === wanted || address === wanted;
}
