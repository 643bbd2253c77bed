import { type Announcement, type Cluster, type Lease, LeasedRecords, type View } from '../cluster/index.ts';
import { type Clock, type Log, Loop, messageOf, type Random } from '../lib/index.ts';
import type { Placement, UnitStatus } from '../model/index.ts';
import type { LoadedUnit, UnitRuntime } from '../runtime/index.ts';
import { currentStatuses, sameStatus } from './current-statuses.ts';
import { type Draining, DrainingUnits } from './draining-units.ts';
import { OnceRuns } from './once-runs.ts';
import { planSteps, type Step } from './plan-steps.ts';
import type { Presence } from './presence.ts';
import { Refusals } from './refusals.ts';
import { SecondCopies } from './second-copies.ts';
import { type PromiseMemory, StopPromises } from './stop-promise.ts';

export interface AgentOptions {
  readonly cluster: Cluster;
  readonly runtime: UnitRuntime;
  readonly presence: Presence;
  /** Takes units out of the catalog before they stop; without it they are stopped at once. */
  readonly draining?: Draining;
  readonly machine: string;
  readonly ttlMs: number;
  /** The longest time between two rounds, in milliseconds: a safety net, since the view wakes the agent on changes. */
  readonly reconcileIntervalMs: number;
  /** Keeps the promise over restarts of fleetd. */
  readonly promises: PromiseMemory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** When to ask again for a unit text that is not in the store (yet). */
const TEXT_RETRY_MS = 500;
/** How often a machine that is cut off looks whether it still is. */
const CUT_OFF_RETRY_MS = 100;

/**
 * One machine's loop: it loads and starts the units that the leader placed here, stops and unloads those it removed, and
 * publishes their statuses. It acts only while the machine is present; losing the store stops only promised units.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #refusals: Refusals;
  readonly #steps: Loop;
  readonly #publishing: Loop;
  readonly #renewing: Loop;
  readonly #promises: StopPromises;
  readonly #statuses: LeasedRecords<UnitStatus>;
  #view: Promise<View> | undefined;
  #placements: ReadonlyMap<string, Placement> = new Map();
  readonly #draining: DrainingUnits;
  readonly #secondCopies: SecondCopies;
  readonly #onceRuns: OnceRuns;
  #acting = false;
  /** By unit, the revision of the view by which it was started last (UnitStatus.start). */
  readonly #starts = new Map<string, number>();
  /** True while a unit has to be unloaded, or replaced by another file: as soon as it has stopped there is more to do. */
  #leaving = false;
  /** Why the promise for units with OnPartition=stop could not be written. */
  #promiseProblem: string | undefined;
  /** The lease under which the view has caught up with the store. */
  #syncedUnder: Lease | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { cluster, presence, runtime, signal } = options;
    this.#draining = new DrainingUnits(options.draining, options.log);
    this.#refusals = new Refusals(options);
    this.#onceRuns = new OnceRuns(options);
    this.#secondCopies = new SecondCopies(presence.inheritedLeaseId);
    this.#statuses = new LeasedRecords({
      read: (announcement) => this.#readStatuses(announcement),
      write: (announcement, changes) => cluster.putStatuses(announcement, changes),
      same: sameStatus,
    });
    this.#promises = new StopPromises(options.promises, options.clock, options.ttlMs);
    this.#steps = new Loop({ ...options, name: 'agent' }, () => this.#turn());
    this.#publishing = new Loop({ ...options, name: 'statuses' }, () => this.#publish());
    this.#renewing = new Loop({ ...options, name: 'promises' }, () => this.#renew());
    const unsubscribe = presence.onChange(() => this.#wake());
    signal.addEventListener('abort', unsubscribe, { once: true });
    void this.#followStates(runtime);
  }

  /** Resolves after the signal has been aborted and the last turn is over. */
  get done(): Promise<void> {
    return Promise.all([this.#steps.done, this.#publishing.done, this.#renewing.done]).then(() => {});
  }

  /** Stops and unloads all units, for a fleetd that is told to stop; their statuses vanish with the lease. */
  async unloadAll(): Promise<void> {
    await this.done;
    await this.#options.runtime.unloadAll();
    this.#promises.forget();
  }

  #wake(): void {
    this.#steps.wake();
    this.#publishing.wake();
  }

  async #followStates(runtime: UnitRuntime): Promise<void> {
    const { signal, log, clock } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const _ of runtime.states(signal)) this.#onStates();
      } catch (error) {
        if (!signal.aborted) log.warn('Runtime lost, asking again', { error: messageOf(error) });
      }
      // The stream ended because the runtime is restarting, and units may have changed meanwhile.
      await clock.sleep(200, signal).catch(() => {});
      this.#wake();
    }
  }

  #onStates(): void {
    this.#publishing.wake();
    if (this.#leaving || this.#onceRuns.isAny(this.#placements)) this.#steps.wake();
  }

  /** Returns the view, opened once: it survives losses of the store, during which this machine acts on its last state. */
  #openView(): Promise<View> {
    const { cluster, machine, signal } = this.#options;
    this.#view ??= cluster.agentView(machine, signal).then(
      (view) => {
        view.onChange(() => this.#steps.wake());
        return view;
      },
      (error) => {
        this.#view = undefined;
        throw error;
      },
    );
    return this.#view;
  }

  async #turn(): Promise<number | undefined> {
    const { presence, runtime, machine, ttlMs, reconcileIntervalMs, clock } = this.#options;
    const lease = presence.lease;
    if (!lease) return this.#whileAbsent();
    if (this.#promises.isBroken) await this.#stopPromised();

    const view = await this.#openView();
    // During an absence the leader may have placed our units elsewhere: never act on the view of before it.
    if (this.#syncedUnder !== lease) await view.sync();
    this.#syncedUnder = lease;
    this.#placements = placementsOf(view, machine);
    const actual = new Map((await runtime.units()).map((unit) => [unit.name, unit]));
    const secondCopies = this.#secondCopies.among(actual.keys(), this.#placements, lease.id);
    this.#leaving = [...actual.values()].some(({ name, hash }) => this.#placements.get(name)?.hash !== hash);
    // There may be no step left for a unit that was never loaded, yet its status has to be removed.
    if (this.#refusals.forgetOthers(this.#placements)) this.#publishing.wake();
    const refused = this.#refusals.lasting();
    this.#promise(lease);
    this.#renewing.wake();
    const cutOff = lease.deadline() - clock.monotonic() <= ttlMs / 3;
    const planned = planSteps({ placements: this.#placements, actual, refused, cutOff });
    const { steps, againMs } = cutOff
      ? { steps: planned, againMs: Infinity }
      : this.#draining.defer(planned, secondCopies);
    // `defer` has taken second copies out of the catalog, so that this machine may offer its services again.
    if (!cutOff) presence.settle(lease);
    const acted = await this.#act(steps, lease);
    const waiting = !(await this.#recordRuns(actual.values())) || acted;
    if (cutOff) return CUT_OFF_RETRY_MS;
    const dueInMs = this.#promises.dueInMs ?? Infinity;
    return Math.max(1, Math.min(againMs, dueInMs, waiting ? TEXT_RETRY_MS : reconcileIntervalMs));
  }

  /** Records runs of units with RunOnce=true; returns false when that must be tried again. Only a present machine may. */
  async #recordRuns(held: Iterable<LoadedUnit>): Promise<boolean> {
    const { announcement } = this.#options.presence;
    if (announcement === undefined) return true;
    const again = await this.#onceRuns.record(announcement, this.#placements, held);
    for (const unit of again ?? []) await this.#stop({ unit, reason: 'it is to run once more' });
    if (again?.length) this.#steps.wake();
    return again !== undefined;
  }

  /** The turn of a machine that is not present: it loads and starts nothing, and stops promised units in time. */
  async #whileAbsent(): Promise<number | undefined> {
    const dueInMs = this.#promises.dueInMs;
    // A fleetd that starts while cut off may wait as long as its predecessor's lease lasts.
    if (dueInMs === undefined || (!this.#syncedUnder && dueInMs > 0)) return dueInMs;
    await this.#stopPromised();
    return undefined;
  }

  async #stopPromised(): Promise<void> {
    const { units } = this.#promises;
    for (const unit of await this.#options.runtime.units()) {
      if (units.includes(unit.name) && unit.launched)
        await this.#stop({ unit: unit.name, reason: 'this machine is cut off from the store' });
    }
    this.#promises.kept();
  }

  /** Renews the promise with the lease, even while the steps of a turn take long. */
  async #renew(): Promise<number | undefined> {
    const { presence, ttlMs } = this.#options;
    const { lease } = presence;
    if (!lease || lease !== this.#syncedUnder || this.#promises.dueInMs === undefined) return undefined;
    if (this.#promises.isBroken) this.#steps.wake();
    else this.#promises.renew(lease);
    return ttlMs / 6;
  }

  /** Promises for the units with OnPartition=stop. When that fails only those units are refused. */
  #promise(lease: Lease): void {
    try {
      this.#promises.make(this.#unitsToStop(), lease);
      this.#promiseProblem = undefined;
    } catch (error) {
      const message = `OnPartition=stop needs a line in state_directory, which cannot be written: ${messageOf(error)}`;
      if (this.#promiseProblem !== message) this.#options.log.error('No promise to stop units', { error: message });
      this.#promiseProblem = message;
    }
  }

  #unitsToStop(): readonly string[] {
    const careful = [...this.#placements.values()].filter((placement) => placement.onPartition === 'stop');
    return careful.map(({ unit }) => unit).sort();
  }

  /** Carries the steps out; returns true when some must wait, e.g. for a text that is not in the store yet. */
  async #act(steps: readonly Step[], lease: Lease): Promise<boolean> {
    if (steps.length === 0) return false;
    this.#acting = true;
    try {
      return await this.#carryOut(steps, lease);
    } finally {
      this.#acting = false;
      this.#publishing.wake();
    }
  }

  async #carryOut(steps: readonly Step[], lease: Lease): Promise<boolean> {
    for (const step of steps) if (step.kind === 'stop') await this.#stop(step);
    const texts = await this.#textsFor(steps);
    const ready = await this.#apply(steps, texts);
    const starts = steps.filter((step) => step.kind === 'start' && ready(step.unit));
    const barred = await this.#onceRuns.barred(
      starts.map(({ unit }) => unit),
      this.#placements,
    );
    const timely = starts.filter(({ unit }) => !barred.has(unit) && this.#mayStart(unit, lease));
    await this.#start(timely);
    if (this.#promiseProblem !== undefined) this.#refuseUnpromised(starts, this.#promiseProblem);
    return timely.length < starts.length || steps.some((step) => step.kind === 'load' && !texts.has(step.hash));
  }

  /**
   * Returns true while the lease lasts: this process may have stood still since it decided (suspended, or starved), and its
   * units may run elsewhere by now. A unit with OnPartition=stop needs a promise on disk too, by which the guard knows it.
   */
  #mayStart(unit: string, lease: Lease): boolean {
    const { clock, ttlMs } = this.#options;
    const leftMs = lease.deadline() - clock.monotonic();
    if (this.#placements.get(unit)?.onPartition !== 'stop') return leftMs > 0;
    return leftMs > ttlMs / 3 && this.#promises.covers(unit);
  }

  #refuseUnpromised(starts: readonly Step[], message: string): void {
    for (const { unit } of starts) {
      const placement = this.#placements.get(unit);
      if (placement?.onPartition === 'stop' && !this.#promises.covers(unit))
        this.#refusals.add(unit, { hash: placement.hash, step: 'start', message });
    }
  }

  async #textsFor(steps: readonly Step[]): Promise<ReadonlyMap<string, string>> {
    const byHash = new Map<string, string>();
    for (const step of steps) if (step.kind === 'load') byHash.set(step.hash, step.unit);
    if (byHash.size === 0) return new Map();
    const texts = new Map(await this.#options.cluster.texts([...byHash].map(([hash, name]) => ({ hash, name }))));
    // The one unit asked for a hash may have another file by now while other units still have this one: ask for each.
    const missing = steps.flatMap((step) =>
      step.kind === 'load' && !texts.has(step.hash) ? [{ name: step.unit, hash: step.hash }] : [],
    );
    if (missing.length > 0)
      for (const [hash, text] of await this.#options.cluster.texts(missing)) texts.set(hash, text);
    return texts;
  }

  /** Unloads and loads as one batch; returns which units may be started. */
  async #apply(steps: readonly Step[], texts: ReadonlyMap<string, string>): Promise<(unit: string) => boolean> {
    const { runtime, log } = this.#options;
    const unload: string[] = [];
    const load: { name: string; hash: string; text: string }[] = [];
    const blocked = new Set<string>();
    for (const step of steps) {
      if (step.kind === 'unload') unload.push(step.unit);
      if (step.kind !== 'load') continue;
      const text = texts.get(step.hash);
      if (text === undefined) blocked.add(step.unit);
      else load.push({ name: step.unit, hash: step.hash, text });
      log[this.#refusals.has(step.unit) ? 'debug' : 'info']('Loading unit', {
        unit: step.unit,
        hash: step.hash.slice(0, 7),
        reason: step.reason,
        ready: text !== undefined,
      });
    }
    for (const unit of unload) log.info('Unloading unit', { unit });
    for (const unit of [...unload, ...load.map(({ name }) => name)]) this.#starts.delete(unit);
    const none: ReadonlyMap<string, string> = new Map();
    const problems = unload.length + load.length === 0 ? none : await runtime.apply({ unload, load });
    for (const { name, hash } of load) {
      const message = problems.get(name);
      if (message === undefined) this.#refusals.delete(name);
      else this.#refusals.add(name, { hash, step: 'load', message });
    }
    // A unit that was just loaded may be one that a refused start requires.
    const isAnyLoaded = load.some(({ name }) => !problems.has(name));
    if (isAnyLoaded && this.#refusals.retryWhatLoadsAllow()) this.#steps.wake();
    return (unit) => !blocked.has(unit) && !problems.has(unit);
  }

  async #stop({ unit, reason }: Pick<Step, 'unit' | 'reason'>): Promise<void> {
    this.#options.log.info('Stopping unit', { unit, reason });
    await this.#options.runtime.stop(unit);
  }

  async #start(steps: readonly Step[]): Promise<void> {
    if (steps.length === 0) return;
    const { runtime, log } = this.#options;
    const { revision } = (await this.#openView()).snapshot;
    for (const { unit, reason } of steps) log.info('Starting unit', { unit, reason });
    const problems = await runtime.start(steps.map((step) => step.unit));
    for (const { unit } of steps) {
      const message = problems.get(unit);
      if (message === undefined) {
        this.#refusals.delete(unit);
        this.#starts.set(unit, revision);
      } else this.#refusals.add(unit, { hash: this.#placements.get(unit)?.hash ?? '', step: 'start', message });
    }
  }

  /** Reads the published statuses and takes over which starts an earlier fleetd of this machine has reported. */
  async #readStatuses(announcement: Announcement) {
    const published = await this.#options.cluster.statusesOf(announcement);
    for (const [unit, status] of published)
      if (status?.start !== undefined && !this.#starts.has(unit)) this.#starts.set(unit, status.start);
    return published;
  }

  async #publish(): Promise<undefined> {
    const { presence, runtime, machine } = this.#options;
    // Do not publish units half-way through their steps; the turn wakes this loop when it is over.
    if (this.#acting) return;
    const announcement = presence.announcement;
    if (!announcement) return;
    const current = currentStatuses(machine, await runtime.units(), this.#refusals.byUnit, this.#starts);
    if ((await this.#statuses.publish(announcement, current)) === 'announce') presence.announce();
  }
}

function placementsOf(view: View, machine: string): ReadonlyMap<string, Placement> {
  const placements = new Map<string, Placement>();
  for (const [unit, byMachine] of view.snapshot.placements) {
    const placement = byMachine.get(machine);
    if (placement) placements.set(unit, placement);
  }
  return placements;
}
