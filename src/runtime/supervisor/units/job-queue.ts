import type { Clock } from '../../../lib/index.ts';
import { type ActiveState, isActiveOrActivating, isInactiveOrFailed } from './states.ts';
import { planTransaction } from './transaction.ts';
import type { SupervisedUnit } from './unit.ts';
import type { UnitGraph } from './unit-graph.ts';
import type { JobType } from './unit-memory.ts';

export interface JobHost {
  readonly clock: Clock;
  readonly graph: UnitGraph;
  readonly units: ReadonlyMap<string, SupervisedUnit>;
  say(unit: string, text: string): void;
  /** The unit's job came or went. */
  jobChanged(unit: SupervisedUnit): void;
}

interface Job {
  readonly unit: SupervisedUnit;
  type: JobType;
  /** `held`: the unit is not ready for it; it is tried again when something has changed. */
  state: 'waiting' | 'running' | 'held';
  readonly cancelTimeout: () => void;
}

type JobResult = 'done' | 'failed' | 'dependency' | 'timeout';

/**
 * What is to be done with units, at most one job each, in the order After= and Before= ask for; systemd's job.c. A new
 * job replaces one that wants something else of the unit (mode `replace`).
 */
export class JobQueue {
  readonly #host: JobHost;
  readonly #jobs = new Map<string, Job>();
  #scheduled = false;

  constructor(host: JobHost) {
    this.#host = host;
  }

  /** Adds a job with all that comes with it. Throws a RangeError when it contradicts itself. */
  enqueue(name: string, type: JobType): void {
    const { units, graph } = this.#host;
    this.#noteMissing(name, type);
    const view = { graph, active: (other: string) => units.get(other)!.active };
    for (const [unit, job] of planTransaction(name, type, view)) {
      if (unit === name || !this.#isRedundant(units.get(unit)!, job)) this.#install(units.get(unit)!, job);
    }
    this.#schedule();
  }

  /** Puts back a job that an earlier supervisor process had accepted. */
  restore(unit: SupervisedUnit, type: JobType): void {
    this.#install(unit, type);
    this.#schedule();
  }

  /** Drops a unit's job without a word; for a unit that is forgotten. */
  drop(name: string): void {
    const job = this.#jobs.get(name);
    if (job !== undefined) this.#remove(job);
  }

  #noteMissing(name: string, type: JobType): void {
    if (type !== 'start') return;
    for (const other of this.#host.graph.missing(name, 'Requires', 'Requisite', 'BindsTo', 'Wants')) {
      this.#host.say(
        name,
        `${name}: ${other} is not among the units of this machine's supervisor, ignoring the dependency.`,
      );
    }
  }

  #isRedundant(unit: SupervisedUnit, type: JobType): boolean {
    if (this.#jobs.has(unit.spec.name)) return false;
    if (type === 'start') return unit.active === 'active' || unit.active === 'reloading';
    return type === 'stop' && isInactiveOrFailed(unit.active);
  }

  #install(unit: SupervisedUnit, type: JobType): void {
    const { name, jobTimeoutMs } = unit.spec;
    const existing = this.#jobs.get(name);
    if (existing?.type === type || (existing?.type === 'restart' && type === 'start')) return;
    if (existing !== undefined) this.#remove(existing);
    const limited = Number.isFinite(jobTimeoutMs);
    const timedOut = () => {
      if (this.#isCurrent(job)) this.#finish(job, 'timeout');
    };
    const cancelTimeout = limited ? this.#host.clock.after(jobTimeoutMs, timedOut) : () => {};
    const job: Job = { unit, type, state: 'waiting', cancelTimeout };
    this.#jobs.set(name, job);
    unit.memory.job = type;
    this.#host.jobChanged(unit);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Not at once: whoever changes state must be done with it before anything follows from it.
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const job of [...this.#jobs.values()]) {
      if (this.#isCurrent(job) && job.state === 'waiting' && this.#isRunnable(job)) this.#run(job);
    }
    const jobs = [...this.#jobs.values()];
    const first = jobs[0];
    // Nobody runs, nobody may: they wait for each other in a circle.
    if (first === undefined || this.#scheduled || jobs.some((job) => job.state !== 'waiting')) return;
    const { name } = first.unit.spec;
    this.#host.say(name, `${name}: Found ordering cycle, going on without regard to the order.`);
    this.#run(first);
  }

  #isCurrent(job: Job): boolean {
    return this.#jobs.get(job.unit.spec.name) === job;
  }

  /** Starting waits for everything that comes before and for all stopping around it; stopping for stopping alone. */
  #isRunnable(job: Job): boolean {
    const { graph } = this.#host;
    const { name } = job.unit.spec;
    const isStop = (other: string) => ['stop', 'restart'].includes(this.#jobs.get(other)?.type ?? '');
    if (graph.after(name).some(isStop)) return false;
    return job.type === 'stop' || job.type === 'restart' || !graph.before(name).some((other) => this.#jobs.has(other));
  }

  #run(job: Job): void {
    job.state = 'running';
    if (job.type === 'start') this.#runStart(job);
    else if (job.type === 'reload') this.#runReload(job);
    else this.#runStop(job);
    // "Starting…" is said only of what takes its time.
    if (this.#isCurrent(job) && job.state === 'running') this.#announce(job);
  }

  #runStart(job: Job): void {
    const { unit } = job;
    if (this.#lacksDependency(unit)) {
      this.#finish(job, 'dependency');
      return;
    }
    const answer = unit.start();
    if (!this.#isCurrent(job)) return;
    if (answer === 'already') this.#remove(job);
    else if (answer === 'refused') this.#finish(job, 'failed');
    else if (answer === 'later') job.state = 'held';
  }

  /** Requisite= units must be up; BindsTo= units too, when they are ordered before. */
  #lacksDependency(unit: SupervisedUnit): boolean {
    const { graph, units } = this.#host;
    const { name } = unit.spec;
    const before = new Set(graph.before(name));
    const bound = graph.of(name, 'BindsTo').filter((other) => before.has(other));
    return [...graph.of(name, 'Requisite'), ...bound].some((other) => !isActiveOrActivating(units.get(other)!.active));
  }

  #runReload(job: Job): void {
    const isUp = job.unit.reload();
    if (!isUp && this.#isCurrent(job)) this.#finish(job, 'failed');
  }

  #runStop(job: Job): void {
    const { unit } = job;
    const answer = unit.stop();
    if (!this.#isCurrent(job) || answer === 'stopping') return;
    if (job.type === 'restart') this.#becomeStart(job);
    else this.#remove(job);
  }

  #becomeStart(job: Job): void {
    job.type = 'start';
    job.state = 'waiting';
    job.unit.memory.job = 'start';
    this.#host.jobChanged(job.unit);
    this.#schedule();
  }

  #announce({ unit, type }: Job): void {
    const { name, kind, description } = unit.spec;
    if (kind === 'target') return;
    const word = { start: 'Starting', stop: 'Stopping', restart: 'Stopping', reload: 'Reloading' }[type];
    this.#host.say(name, `${word} ${description}...`);
  }

  /** To be called after every change of a unit's state. */
  unitChanged(unit: SupervisedUnit, before: ActiveState): void {
    const job = this.#jobs.get(unit.spec.name);
    if (job?.state === 'held') job.state = 'waiting';
    const expected = job !== undefined && this.#settle(job, unit.active);
    if (!expected) this.#propagate(unit, before);
    this.#schedule();
  }

  /** Ends the job if this state is its end; true when the state is on the job's way. */
  #settle(job: Job, active: ActiveState): boolean {
    if (job.type === 'start') {
      if (active === 'active') this.#finish(job, 'done');
      else if (job.state !== 'running' || active === 'activating') return true;
      else if (isInactiveOrFailed(active)) this.#finish(job, active === 'failed' ? 'failed' : 'done');
      return active === 'active';
    }
    if (job.type === 'reload') {
      if (job.state === 'running' && active !== 'reloading') this.#finish(job, active === 'active' ? 'done' : 'failed');
      return true;
    }
    if (isInactiveOrFailed(active)) this.#finish(job, 'done');
    return true;
  }

  /** A unit that goes down by itself takes along whoever is bound to it. */
  #propagate(unit: SupervisedUnit, before: ActiveState): void {
    const { graph, units } = this.#host;
    if (!isActiveOrActivating(before) || isActiveOrActivating(unit.active)) return;
    for (const name of graph.whoNames(unit.spec.name, 'BindsTo')) {
      if (isInactiveOrFailed(units.get(name)!.active) || this.#jobs.get(name)?.type === 'stop') continue;
      this.#host.say(name, `${name}: Unit is bound to inactive unit ${unit.spec.name}. Stopping, too.`);
      this.enqueue(name, 'stop');
    }
  }

  #remove(job: Job): void {
    job.cancelTimeout();
    this.#jobs.delete(job.unit.spec.name);
    job.unit.memory.job = null;
    this.#host.jobChanged(job.unit);
    this.#schedule();
  }

  #finish(job: Job, result: JobResult): void {
    const { unit, type } = job;
    this.#sayFinished(job, result);
    // Nothing of it ran, however its run before that ended.
    if (result === 'dependency') unit.memory.stopRequested = true;
    if (type === 'restart' && result === 'done') this.#becomeStart(job);
    else this.#remove(job);
    if (result === 'done' || type !== 'start') return;
    for (const name of this.#host.graph.whoNames(unit.spec.name, 'Requires', 'Requisite', 'BindsTo')) {
      const dependent = this.#jobs.get(name);
      if (dependent?.type === 'start') this.#finish(dependent, 'dependency');
    }
    if (result === 'dependency' || result === 'timeout') this.triggerOnFailure(unit);
  }

  /** Starts what is to be started when the unit fails or, for `OnSuccess`, ends well. */
  triggerOnFailure(unit: SupervisedUnit, directive: 'OnFailure' | 'OnSuccess' = 'OnFailure'): void {
    const others = this.#host.graph.of(unit.spec.name, directive);
    if (others.length > 0) this.#host.say(unit.spec.name, `${unit.spec.name}: Triggering ${directive}= dependencies.`);
    for (const other of others) this.enqueue(other, 'start');
  }

  #sayFinished({ unit, type }: Job, result: JobResult): void {
    const { name, kind, description, service } = unit.spec;
    if (type === 'reload') {
      if (result === 'done') this.#host.say(name, `Reloaded ${description}.`);
      return;
    }
    if (type !== 'start') {
      if (result === 'done') this.#host.say(name, `Stopped ${kind === 'target' ? 'target ' : ''}${description}.`);
      return;
    }
    const started = kind === 'target' ? 'Reached target' : service?.type === 'oneshot' ? 'Finished' : 'Started';
    const words: Readonly<Record<JobResult, string>> = {
      done: started,
      failed: 'Failed to start',
      dependency: 'Dependency failed for',
      timeout: 'Timed out starting',
    };
    this.#host.say(name, `${words[result]} ${description}.`);
    if (result === 'dependency' || result === 'timeout') {
      this.#host.say(name, `${name}: Job ${name}/start failed with result '${result}'.`);
    }
  }
}
