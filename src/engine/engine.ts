import type { ChangeBatch, Cluster, Leadership, View } from '../cluster/index.ts';
import { type Clock, FlotillaError, type Log, Loop, messageOf, type Random } from '../lib/index.ts';
import { type Decision, MAX_GROUP_WRITES } from './decision-list.ts';
import { Liveness } from './liveness.ts';
import { Scheduler } from './scheduler.ts';

export interface EngineOptions {
  readonly cluster: Cluster;
  /** Leadership hangs on the machine's own lease: a machine that dies stops leading in the same revision. */
  readonly presence: MachinePresence;
  readonly machine: string;
  readonly ttlMs: number;
  /** The longest time between two rounds, in milliseconds: a safety net, since the view wakes the engine on changes. */
  readonly reconcileIntervalMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Told of terms and rounds, for the metrics. */
  readonly observer?: EngineObserver;
}

export interface EngineObserver {
  /** Since when this machine leads, in milliseconds since 1970; undefined when it no longer does. */
  term(sinceMs: number | undefined): void;
  round(round: EngineRound): void;
}

/** What the engine needs to know of its machine's presence. */
export interface MachinePresence {
  readonly lease: Parameters<Cluster['campaign']>[1] | undefined;
  onChange(fn: () => void): () => void;
}

export interface EngineRound {
  readonly durationMs: number;
  readonly decisions: number;
  readonly failed: boolean;
}

/** When to look again for the last commit in the view, in milliseconds: a safety net, since the view wakes the engine. */
const CATCH_UP_MS = 100;

/** How long preparation may hold the event loop at a time, in milliseconds: requests and keep-alives wait on it. */
const SLICE_MS = 10;

/** Everything the leader holds; dropped as a whole when it is deposed. */
interface Term {
  readonly leadership: Leadership;
  readonly view: View;
  readonly scheduler: Scheduler;
  /** Machines that hold placements, are absent, and not known to be dead. */
  readonly awaited: Set<string>;
  readonly end: AbortController;
  /** The revision of this term's last commit. */
  committed: number;
}

/** What this fleetd knows as a candidate, so that it can lead as soon as it has to. */
interface Candidate {
  readonly view: View;
  liveness: Liveness;
  /** The lease under which this machine was present when it last looked. */
  lease: MachinePresence['lease'];
}

/**
 * This fleetd as a candidate and, while it is elected, as the leader: then it turns the state of the cluster into
 * placements, in commits that the store refuses as soon as another machine leads.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #loop: Loop;
  #candidate: Promise<Candidate> | undefined;
  #term: Term | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#loop = new Loop({ ...options, name: 'engine' }, () => this.#turn());
    const unsubscribe = options.presence.onChange(() => this.#loop.wake());
    options.signal.addEventListener('abort', unsubscribe, { once: true });
  }

  get leading(): boolean {
    return this.#term !== undefined;
  }

  /** Gives leadership up at once instead of when the lease ends. Call it after the signal was aborted. */
  async resign(): Promise<void> {
    await this.#loop.done;
    await this.#term?.leadership.resign();
  }

  async #turn(): Promise<number | undefined> {
    const { presence, reconcileIntervalMs } = this.#options;
    const candidate = await this.#openCandidate();
    const lease = presence.lease;
    if (!lease) {
      this.#endTerm('this machine is not present');
      return undefined;
    }
    this.#noteAbsence(candidate, lease);
    const { liveness } = candidate;
    if (!this.#term) {
      const { leader } = candidate.view.snapshot;
      if (leader && leader.machine !== this.#options.machine) return undefined;
      this.#term = await this.#campaign(lease, liveness);
      if (!this.#term) return reconcileIntervalMs;
    }
    return this.#lead(this.#term, liveness);
  }

  /** Opens the view of machines long before this one leads: a leader must know which of them have been alive. */
  #openCandidate(): Promise<Candidate> {
    const { cluster, signal } = this.#options;
    this.#candidate ??= cluster.candidateView(signal).then(
      (view) => {
        const candidate: Candidate = { view, liveness: this.#firstLiveness(view), lease: undefined };
        view.onChange((batch) => this.#onMachines(batch, candidate.liveness));
        return candidate;
      },
      (error) => {
        this.#candidate = undefined;
        throw error;
      },
    );
    return this.#candidate;
  }

  #firstLiveness(view: View): Liveness {
    const now = this.#options.clock.monotonic();
    const liveness = new Liveness(this.#options.ttlMs, now);
    for (const id of view.snapshot.machines.keys()) liveness.found(id, now);
    return liveness;
  }

  /**
   * Forgets who was alive when this machine had lost its own lease: the store may have been out of reach of all machines,
   * and the others get as much time to come back as after a power cut.
   */
  #noteAbsence(candidate: Candidate, lease: NonNullable<MachinePresence['lease']>): void {
    if (candidate.lease !== undefined && candidate.lease !== lease) {
      this.#endTerm('this machine was absent');
      candidate.liveness = this.#firstLiveness(candidate.view);
    }
    candidate.lease = lease;
  }

  #onMachines(batch: ChangeBatch, liveness: Liveness): void {
    const now = this.#options.clock.monotonic();
    for (const change of batch.changes) {
      if (change.kind !== 'machine') continue;
      if (change.after) liveness.joined(change.id, now);
      else liveness.gone(change.id, now);
    }
    this.#loop.wake();
  }

  async #campaign(lease: NonNullable<MachinePresence['lease']>, liveness: Liveness): Promise<Term | undefined> {
    const { cluster, machine, signal, log, clock, observer } = this.#options;
    const leadership = await cluster.campaign(machine, lease);
    if (!leadership) return undefined;
    const end = new AbortController();
    const view = await cluster.engineView(AbortSignal.any([signal, lease.lost, end.signal]));
    const term: Term = { leadership, view, scheduler: new Scheduler(), awaited: new Set(), end, committed: 0 };
    feed(term, view, (id) => this.#isAwaited(id, liveness));
    view.onChange((batch) => this.#onChange(term, batch, liveness));
    observer?.term(clock.now());
    log.info('Elected leader', { machine, units: view.snapshot.units.size, machines: view.snapshot.machines.size });
    return term;
  }

  #isAwaited(machine: string, liveness: Liveness): boolean {
    return !liveness.isDead(machine, this.#options.clock.monotonic());
  }

  #onChange(term: Term, batch: ChangeBatch, liveness: Liveness): void {
    for (const change of batch.changes) {
      if (change.kind === 'machine' && !change.after && !change.before?.leaving) this.#noteLost(term, change.id);
      if (change.kind !== 'machine') {
        term.scheduler.apply(change);
      } else if (change.after) {
        term.awaited.delete(change.id);
        term.scheduler.apply(change);
      } else if (this.#isAwaited(change.id, liveness)) {
        term.awaited.add(change.id);
        term.scheduler.awaitMachine(change.id);
      } else {
        term.scheduler.apply(change);
      }
    }
    this.#loop.wake();
  }

  /** Writes the time of the loss down for those who read the history; placing the machine's units does not wait for it. */
  #noteLost({ leadership }: Term, id: string): void {
    leadership.noteLost(id).catch((error) => {
      this.#options.log.debug('When a machine was lost is not written down', { machine: id, error: messageOf(error) });
    });
  }

  /** Runs one round of the leader. Returns when the next is due, in milliseconds: soon while a machine is awaited. */
  async #lead(term: Term, liveness: Liveness): Promise<number | undefined> {
    const { clock, observer } = this.#options;
    // The view must hold the last commit: an older event would take a newer decision of the scheduler back, and the unit
    // would be placed a second time.
    if (term.view.snapshot.revision < term.committed) return CATCH_UP_MS;
    const startMs = clock.monotonic();
    await this.#prepare(term.scheduler);
    this.#giveUpOnTheDead(term, liveness);
    const { decisions } = term.scheduler.schedule();
    try {
      const held = await this.#commitAll(term, decisions);
      observer?.round({ durationMs: clock.monotonic() - startMs, decisions: decisions.length, failed: !held });
      if (!held) this.#endTerm('the store refused its fence: another machine leads');
    } catch (error) {
      observer?.round({ durationMs: clock.monotonic() - startMs, decisions: decisions.length, failed: true });
      // Which commits took effect is unknown, and the scheduler assumes that all did: begin again from the store.
      this.#endTerm(messageOf(error));
      throw error;
    }
    if (term.awaited.size === 0) return undefined;
    return Math.max(10, liveness.graceEndsMs() - clock.monotonic());
  }

  async #prepare(scheduler: Scheduler): Promise<void> {
    const { clock } = this.#options;
    let sinceMs = clock.monotonic();
    for (const _ of scheduler.prepare()) {
      if (clock.monotonic() - sinceMs < SLICE_MS) continue;
      await clock.sleep(0);
      sinceMs = clock.monotonic();
    }
  }

  #giveUpOnTheDead(term: Term, liveness: Liveness): void {
    for (const id of term.awaited) {
      if (this.#isAwaited(id, liveness)) continue;
      this.#options.log.info('Machine did not come back', { machine: id });
      term.awaited.delete(id);
      term.scheduler.apply({ kind: 'machine', id });
    }
  }

  async #commitAll(term: Term, decisions: readonly Decision[]): Promise<boolean> {
    for (const batch of commits(decisions)) {
      const writes = batch.flatMap((decision) => decision.writes);
      const revision = await term.leadership.place(writes);
      if (revision === undefined) return false;
      term.committed = revision;
      for (const decision of batch) this.#tell(decision);
    }
    return true;
  }

  #tell({ unit, writes, reason }: Decision): void {
    const onto = writes.flatMap((write) => ('put' in write ? [write.put.machine] : []));
    const off = writes.flatMap((write) => ('remove' in write ? [write.remove.machine] : []));
    const sentence = onto.length > 0 ? 'Placed unit' : 'Took unit off its machine';
    this.#options.log.info(sentence, { unit, machine: (onto.length > 0 ? onto : off).join(','), reason });
  }

  #endTerm(reason: string): void {
    if (!this.#term) return;
    this.#options.log.info('No longer leading', { reason });
    this.#term.end.abort(new FlotillaError('unavailable', 'no longer leading'));
    this.#term = undefined;
    this.#options.observer?.term(undefined);
    this.#loop.wake();
  }
}

/** Feeds the scheduler with the whole view. */
function feed(term: Term, view: View, isAwaited: (machine: string) => boolean): void {
  const { units, machines, placements } = view.snapshot;
  for (const [id, after] of machines) term.scheduler.apply({ kind: 'machine', id, after });
  for (const byMachine of placements.values()) {
    for (const [machine, after] of byMachine) {
      if (!machines.has(machine) && !term.awaited.has(machine) && isAwaited(machine)) {
        term.awaited.add(machine);
        term.scheduler.awaitMachine(machine);
      }
      term.scheduler.apply({ kind: 'placement', machine, unit: after.unit, after });
    }
  }
  for (const [name, after] of units) term.scheduler.apply({ kind: 'unit', name, after });
}

/** Returns the decisions in as few commits as possible; a group is never split. */
function* commits(decisions: readonly Decision[]): Generator<Decision[]> {
  let batch: Decision[] = [];
  let size = 0;
  for (const group of groups(decisions)) {
    const writes = group.reduce((sum, decision) => sum + decision.writes.length, 0);
    if (size + writes > MAX_GROUP_WRITES && batch.length > 0) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(...group);
    size += writes;
  }
  if (batch.length > 0) yield batch;
}

function* groups(decisions: readonly Decision[]): Generator<Decision[]> {
  let group: Decision[] = [];
  for (const decision of decisions) {
    if (group.length > 0 && group[0]!.group !== decision.group) {
      yield group;
      group = [];
    }
    group.push(decision);
  }
  if (group.length > 0) yield group;
}
