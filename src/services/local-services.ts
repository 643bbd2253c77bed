import type { Published } from '../cluster/index.ts';
import { type Clock, FlotillaError, type Log, messageOf, type Random, RepeatedFailure } from '../lib/index.ts';
import type { Health, Machine, NodeCheck, ServiceCheck, ServiceInstance } from '../model/index.ts';
import type { CheckResult, RunProbe } from './check-result.ts';
import { CheckRunner } from './check-runner.ts';
import { type CheckDefinition, flawOf, type Registration, type ServiceSource } from './registration.ts';
import { type AllowedScripts, ScriptGate } from './script-gate.ts';
import {
  addCheck,
  forgetAbsent,
  putService,
  removeCheck,
  removeService,
  type ServiceEdit,
  ServiceRegistry,
  setMaintenance,
} from './service-registry.ts';
import { MACHINE, maintenanceCheck, shownCheck } from './shown-check.ts';
import { Withdrawals } from './withdrawals.ts';

export interface LocalServicesOptions {
  /** Returns this machine's record of now. */
  readonly machine: () => Machine;
  /** The sources besides third parties, whose registrations are kept in `file`. */
  readonly sources: readonly ServiceSource[];
  readonly file: string;
  /** Returns the unit that runs the container of that name, if any. */
  readonly unitOf: (container: string) => string | undefined;
  /** True to offer only containers of this machine's units: another fleetd may share this computer's docker. */
  readonly unitContainersOnly: boolean;
  /** How long a service is out of the catalog before its unit stops, in milliseconds; a registration may say otherwise. */
  readonly drainMs: number;
  /** Which sources may have this machine run programs as checks. */
  readonly scriptChecks: AllowedScripts;
  readonly probe: RunProbe;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** A third party's registration; its source is always `api`. */
export type ApiRegistration = Omit<Registration, 'source'>;

const FORGET_AGAIN_MS = 1000;

interface Built {
  readonly parts: readonly unknown[];
  readonly instance: ServiceInstance;
}

/**
 * The service instances of this machine from all sources, with their checks and the machine's own as they are now. It knows
 * of a change before the catalog does; the publisher brings it there.
 */
export class LocalServices {
  readonly #options: LocalServicesOptions;
  readonly #registry: ServiceRegistry;
  readonly #checks: CheckRunner;
  readonly #gate: ScriptGate;
  readonly #listeners = new Set<() => void>();
  /** The latest registrations of each source. */
  readonly #said = new Map<ServiceInstance['source'], readonly Registration[]>();
  /** Instances that were in the catalog when this fleetd started; kept until their source reports. */
  readonly #recalled = new Map<string, ServiceInstance>();
  readonly #withdrawals: Withdrawals;
  /** Why a registration is left out of the catalog; empty when it is not. */
  readonly #flaws = new WeakMap<Registration, string>();
  /** Registrations that are being removed, since they are critical for too long. */
  readonly #forgetting = new Set<Registration>();
  readonly #unforgotten: RepeatedFailure;
  #registrations: ReadonlyMap<string, Registration> = new Map();
  #built = new Map<string, Built>();
  #instances: ReadonlyMap<string, ServiceInstance> | undefined;
  #nodeChecks: ReadonlyMap<string, NodeCheck> = new Map();

  constructor(options: LocalServicesOptions) {
    this.#options = options;
    this.#withdrawals = new Withdrawals(options.clock);
    const sentence = 'Cannot deregister what is critical for too long, it stays out and is tried again';
    this.#unforgotten = new RepeatedFailure({ ...options, sentence, over: 'Deregistrations are kept again' });
    this.#registry = new ServiceRegistry(options.file, options.log, () => this.#renew());
    this.#checks = new CheckRunner(options, () => this.#onResults());
    this.#gate = new ScriptGate(options.scriptChecks, options.log);
    this.#renew();
    for (const source of options.sources) void this.#follow(source);
  }

  /** Returns the instances to publish, by id. */
  instances(): ReadonlyMap<string, ServiceInstance> {
    this.#instances ??= this.#build();
    return this.#instances;
  }

  /** Returns the checks of the whole machine, by id; they count for each of its instances. */
  nodeChecks(): ReadonlyMap<string, NodeCheck> {
    // After the signal checks no longer run, and their last results stay until the machine leaves.
    if (!this.#options.signal.aborted)
      this.#nodeChecks = new Map(this.#machineChecks().map((check) => [check.id, { ...check, service: MACHINE }]));
    return this.#nodeChecks;
  }

  /** Calls `fn` when `instances` or `nodeChecks` may have changed. Returns the unsubscribe. */
  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /**
   * Registers an instance, or replaces the one with its id; checks that it still has keep their results. Resolves once it
   * is on disk; throws `too-large` without room in the catalog, and `forbidden` for a check that the settings refuse. With
   * `keepChecks` the checks that were added to the instance later stay.
   */
  async register(registration: ApiRegistration, options: { readonly keepChecks: boolean }): Promise<void> {
    this.#admit(registration, registration.checks);
    await this.#registry.change(putService({ ...registration, source: 'api' }, options));
  }

  /** Removes an instance that was registered; returns false when there is none. */
  deregister(id: string): Promise<boolean> {
    return this.#registry.change(removeService(id));
  }

  /**
   * Adds a check to an instance of any source, or (empty id) to the whole machine; returns false when there is no such
   * instance. Throws like `register`.
   */
  async registerCheck(instance: string, check: CheckDefinition): Promise<boolean> {
    this.#admit(check, [check]);
    return this.#registry.change(this.#where(instance, addCheck(instance, check)));
  }

  /** Removes a check that was registered or added; returns false when there is none. */
  deregisterCheck(id: string): Promise<boolean> {
    return this.#registry.change(removeCheck(id));
  }

  /** Sets the result that a client reports on a ttl check; returns false when there is none of that id. */
  report(check: string, status: Health, output: string): boolean {
    return this.#checks.report(check, { status, output });
  }

  /**
   * Puts an instance of any source, or (empty id) the whole machine, into maintenance, or (no reason) takes it out; returns
   * false when there is no such instance.
   */
  setMaintenance(instance: string, reason: string | undefined): Promise<boolean> {
    return this.#registry.change(this.#where(instance, setMaintenance(instance, reason)));
  }

  /** Takes over what the catalog holds of this machine, so that a restart of fleetd changes nothing in it. */
  recall(published: Published<ServiceInstance>, nodeChecks: Published<NodeCheck>): void {
    const { sources } = this.#options;
    const silent = new Set(sources.map(({ name }) => name).filter((name) => !this.#said.has(name)));
    for (const check of nodeChecks.values())
      if (check) this.#checks.recall(check.id, { status: check.status, output: check.output });
    for (const [id, instance] of published) {
      if (!instance) continue;
      for (const { id: check, status, output } of instance.checks) this.#checks.recall(check, { status, output });
      if (silent.has(instance.source)) this.#recalled.set(id, instance);
    }
    this.#changed();
  }

  /**
   * Takes the services of a unit that is to be stopped out of the catalog. Returns for how many milliseconds it must still
   * run, so that clients notice and open requests end; call again then. 0 when it may be stopped.
   */
  leave(unit: string): number {
    if (!this.#withdrawals.has(unit)) this.#withdraw(unit);
    return this.#withdrawals.leftMs(unit);
  }

  /** Offers the services of a unit again, which is no longer to be stopped or is started again. */
  stay(unit: string): void {
    if (this.#withdrawals.end(unit)) this.#changed();
  }

  /** Takes all instances out of the catalog. Returns for how many milliseconds all units must run on after that. */
  leaveAll(): number {
    const ids = [...this.instances().keys()];
    const drains = ids.map((id) => this.#registrations.get(id)?.drainMs ?? this.#options.drainMs);
    this.#withdrawals.beginAll(ids.length);
    this.#changed();
    return Math.max(0, ...drains);
  }

  /** Offers all instances again after `leaveAll`. */
  stayAll(): void {
    this.#withdrawals.endAll();
    this.#changed();
  }

  /** Resolves once the catalog holds no instance of this machine; call after `leaveAll`. */
  allLeft(): Promise<void> {
    return this.#withdrawals.allLeft();
  }

  /** Called by the publisher: the catalog now holds these instances of this machine. */
  published(instances: ReadonlyMap<string, ServiceInstance>): void {
    this.#withdrawals.published(instances);
  }

  #withdraw(unit: string): void {
    const usual = this.#options.drainMs;
    const ours = [...this.#registrations.values()].filter((registration) => this.#unitOf(registration) === unit);
    const recalled = [...this.#recalled.values()].filter((instance) => instance.unit === unit);
    const drains = [...ours.map(({ drainMs = usual }) => drainMs), ...recalled.map(() => usual)];
    if (drains.length === 0) return;
    this.#withdrawals.begin(unit, Math.max(...drains));
    this.#changed();
  }

  /** Returns an edit that changes nothing when the instance, of any source, is not there when the edit's turn comes. */
  #where(instance: string, edit: ServiceEdit): ServiceEdit {
    return (contents) => {
      const there = new Set([MACHINE, ...contents.services.keys()]);
      for (const { id, source } of this.#registrations.values()) if (source !== 'api') there.add(id);
      if (!there.has(instance) || !edit(contents)) return false;
      // Until every source has reported, any instance may be one of theirs.
      if (this.#said.size === this.#options.sources.length) forgetAbsent(contents, there);
      return true;
    };
  }

  #isOurs(registration: Registration): boolean {
    if (registration.source !== 'container' || !this.#options.unitContainersOnly) return true;
    return this.#unitOf(registration) !== undefined;
  }

  /** Returns whether the catalog has room for the registration. One that is too large is logged once, and left out alone. */
  #fits(registration: Registration): boolean {
    let flaw = this.#flaws.get(registration);
    if (flaw === undefined) {
      flaw = flawOf(registration) ?? '';
      this.#flaws.set(registration, flaw);
      const { id, source, container } = registration;
      if (flaw !== '')
        this.#options.log.warn('Service left out', { service: id.slice(0, 100), source, container, because: flaw });
    }
    return flaw === '';
  }

  #unitOf({ unit, container }: Registration): string | undefined {
    return unit ?? (container === undefined ? undefined : this.#options.unitOf(container));
  }

  /** Throws when a third party's registration or check cannot be taken. */
  #admit(said: { readonly id: string }, checks: readonly CheckDefinition[]): void {
    const flaw = [said, ...checks].map(flawOf).find((found) => found !== undefined);
    if (flaw !== undefined) throw new FlotillaError('too-large', flaw);
    const refusal = checks.map((check) => this.#gate.refuse(check, 'api')).find((found) => found !== undefined);
    if (refusal !== undefined) throw new FlotillaError('forbidden', refusal);
  }

  async #follow(source: ServiceSource): Promise<void> {
    const { signal, log, clock } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const registrations of source.states(signal)) this.#hear(source.name, registrations);
      } catch (error) {
        if (!signal.aborted)
          log.warn('Source of services lost, asking again', { source: source.name, error: messageOf(error) });
      }
      await clock.sleep(1000, signal).catch(() => {});
    }
  }

  #hear(source: ServiceInstance['source'], registrations: readonly Registration[]): void {
    this.#said.set(source, registrations);
    for (const [id, instance] of this.#recalled) if (instance.source === source) this.#recalled.delete(id);
    this.#renew();
  }

  /** Gathers the registrations of all sources and third parties; of two with one id the first counts. */
  #renew(): void {
    const said = this.#options.sources.map(({ name }) => this.#said.get(name) ?? []);
    const registrations = new Map<string, Registration>();
    for (const registration of [...said.flat(), ...this.#registry.services.values()])
      if (this.#isOurs(registration) && this.#fits(registration) && !registrations.has(registration.id))
        registrations.set(registration.id, registration);
    this.#registrations = registrations;
    this.#runChecks([...registrations.values()]);
    this.#changed();
  }

  /** Runs all checks that the gate allows. Stored ones are judged again: the settings may have been others then. */
  #runChecks(registrations: readonly Registration[]): void {
    const own = registrations.flatMap(({ id, checks, source, container = id }) =>
      checks.map((check) => [check, source, container] as const),
    );
    const added = [...registrations.map(({ id }) => id), MACHINE].flatMap((id) =>
      this.#registry.checksOf(id).map((check) => [check, 'api', id] as const),
    );
    this.#gate.judge([...own, ...added]);
    const wanted = registrations.flatMap((registration) => this.#checksOf(registration));
    const all = [...wanted, ...this.#registry.checksOf(MACHINE)];
    this.#checks.use(all.filter((check) => this.#gate.resultOf(check) === undefined));
  }

  #resultOf(check: CheckDefinition): CheckResult | undefined {
    return this.#gate.resultOf(check) ?? this.#checks.resultOf(check.id);
  }

  #checksOf({ id, checks }: Registration): readonly CheckDefinition[] {
    const added = this.#registry.checksOf(id);
    return added.length === 0
      ? checks
      : [...checks.filter((own) => added.every((check) => check.id !== own.id)), ...added];
  }

  /** Deregisters third parties' instances that are critical for too long; those of sources stay out until they recover. */
  #onResults(): void {
    for (const registration of this.#registry.services.values())
      if (!this.#forgetting.has(registration) && this.#isOverdue(registration)) void this.#forget(registration);
    this.#changed();
  }

  #isOverdue(registration: Registration): boolean {
    return this.#checksOf(registration).some(({ id }) => this.#checks.isOverdue(id));
  }

  /** Deregisters an instance; tries until that is on disk, or the registration is gone or no longer overdue. */
  async #forget(registration: Registration): Promise<void> {
    const { clock, log, signal } = this.#options;
    const remove = removeService(registration.id, registration);
    this.#forgetting.add(registration);
    for (let isOver = false; !isOver && !signal.aborted; ) {
      try {
        const found = await this.#registry.change((contents) => this.#isOverdue(registration) && remove(contents));
        this.#unforgotten.succeeded();
        if (found) log.info('Service deregistered, critical for too long', { service: registration.id });
        isOver = true;
      } catch (error) {
        this.#unforgotten.failed(messageOf(error));
        await clock.sleep(FORGET_AGAIN_MS, signal).catch(() => {});
      }
    }
    this.#forgetting.delete(registration);
  }

  #changed(): void {
    this.#instances = undefined;
    for (const listener of this.#listeners) listener();
  }

  #machineChecks(): ServiceCheck[] {
    const maintenance = this.#registry.maintenanceOf(MACHINE);
    return [
      ...this.#registry.checksOf(MACHINE).map((check) => shownCheck(check, this.#resultOf(check))),
      ...(maintenance === undefined ? [] : [maintenanceCheck(MACHINE, maintenance)]),
    ];
  }

  #build(): ReadonlyMap<string, ServiceInstance> {
    if (this.#withdrawals.all) return new Map();
    const recalled = [...this.#recalled].filter(([, { unit = '' }]) => !this.#withdrawals.has(unit));
    const instances = new Map(recalled);
    const built = new Map<string, Built>();
    const machine = this.#options.machine();
    for (const [id, registration] of this.#registrations) {
      const unit = this.#unitOf(registration);
      if (unit !== undefined && this.#withdrawals.has(unit)) continue;
      if (this.#isOverdue(registration)) continue;
      const made = this.#instance(registration, { unit, machine });
      built.set(id, made);
      instances.set(id, made.instance);
    }
    this.#built = built;
    return instances;
  }

  /** Returns the instance of a registration: the same object as before unless a part of it changed. */
  #instance(registration: Registration, { unit, machine }: { unit: string | undefined; machine: Machine }): Built {
    const { id, address } = machine;
    const definitions = this.#checksOf(registration);
    const results = definitions.map((check) => this.#resultOf(check));
    const maintenance = this.#registry.maintenanceOf(registration.id);
    const parts = [registration, unit, id, address, maintenance, ...definitions, ...results];
    const before = this.#built.get(registration.id);
    if (before && before.parts.length === parts.length && parts.every((part, i) => part === before.parts[i]))
      return before;
    const checks = definitions.map((check, i) => shownCheck(check, results[i]));
    if (maintenance !== undefined) checks.push(maintenanceCheck(registration.id, maintenance));
    const { container: _, drainMs: __, ...shown } = registration;
    const instance = {
      ...shown,
      machine: id,
      address: registration.address || address,
      ...(unit === undefined ? {} : { unit }),
      checks,
    };
    return { parts, instance };
  }
}
