import type { Published } from '../cluster/index.ts';
import { type Clock, FlotillaError, type Log, messageOf, type Random } from '../lib/index.ts';
import type { Health, Machine, NodeCheck, ServiceCheck, ServiceInstance } from '../model/index.ts';
import type { CheckResult, RunProbe } from './check-result.ts';
import { CheckRunner } from './check-runner.ts';
import { type CheckDefinition, flawOf, type Registration, type ServiceSource } from './registration.ts';
import { type AllowedScripts, ScriptGate } from './script-gate.ts';
import { ServiceRegistry } from './service-registry.ts';
import { Withdrawals } from './withdrawals.ts';

export interface LocalServicesOptions {
  /** The machine as it is now. */
  readonly machine: () => Machine;
  /** Besides third parties, whose registrations are kept in `file`. */
  readonly sources: readonly ServiceSource[];
  readonly file: string;
  /** The unit that runs the container of that name, where there is one. */
  readonly unitOf: (container: string) => string | undefined;
  /** Only containers of this machine's own units are offered: another fleetd may share this computer's docker. */
  readonly unitContainersOnly: boolean;
  /** How long a service is out of the catalog before its unit is stopped, in milliseconds, unless it says otherwise. */
  readonly drainMs: number;
  /** Who may have this machine run programs as checks. */
  readonly scriptChecks: AllowedScripts;
  readonly probe: RunProbe;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** A third party's registration; its source needs no telling. */
export type ApiRegistration = Omit<Registration, 'source'>;

/** What stands for the machine itself where a check or a maintenance may be that of an instance. */
const MACHINE = '';

interface Built {
  readonly parts: readonly unknown[];
  readonly instance: ServiceInstance;
}

/**
 * The service instances of this machine, whatever registered them, with their checks and its own as they are now. Knows of a change
 * before the catalog does; the publisher brings it there.
 */
export class LocalServices {
  readonly #options: LocalServicesOptions;
  readonly #registry: ServiceRegistry;
  readonly #checks: CheckRunner;
  readonly #gate: ScriptGate;
  readonly #listeners = new Set<() => void>();
  /** What each source said last. */
  readonly #said = new Map<ServiceInstance['source'], readonly Registration[]>();
  /** Instances that stood in the catalog when this fleetd began, until their source is heard of. */
  readonly #recalled = new Map<string, ServiceInstance>();
  readonly #withdrawals: Withdrawals;
  /** What keeps a registration out of the catalog; empty: nothing. */
  readonly #flaws = new WeakMap<Registration, string>();
  #leaving = false;
  #registrations: ReadonlyMap<string, Registration> = new Map();
  #built = new Map<string, Built>();
  #instances: ReadonlyMap<string, ServiceInstance> | undefined;
  #nodeChecks: ReadonlyMap<string, NodeCheck> = new Map();

  constructor(options: LocalServicesOptions) {
    this.#options = options;
    this.#withdrawals = new Withdrawals(options.clock);
    this.#registry = new ServiceRegistry(options.file, options.log);
    this.#checks = new CheckRunner(options, () => this.#onResults());
    this.#gate = new ScriptGate(options.scriptChecks, options.log);
    this.#renew();
    for (const source of options.sources) void this.#follow(source);
  }

  /** By id. */
  instances(): ReadonlyMap<string, ServiceInstance> {
    this.#instances ??= this.#build();
    return this.#instances;
  }

  /** The checks of the machine as a whole, by id; they count for each of its instances. */
  nodeChecks(): ReadonlyMap<string, NodeCheck> {
    // Once checks run no more they stay as they were: they go with the machine.
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
   * Registers an instance, or replaces the one with its id; results of checks that it keeps stay. Resolves once it is
   * on disk; throws `too-large` or `forbidden` when it asks too much. With `keepChecks` those stay that were added to the
   * instance later.
   */
  async register(registration: ApiRegistration, options: { readonly keepChecks: boolean }): Promise<void> {
    this.#admit(registration, registration.checks);
    await this.#keep(this.#registry.put({ ...registration, source: 'api' }, options));
  }

  /** Removes what `register` made; false when no such instance was registered. */
  deregister(id: string): Promise<boolean> {
    return this.#keep(this.#registry.remove(id));
  }

  /**
   * Adds a check to an instance of whatever source, or (no instance) to the machine as a whole; false when there is no such
   * instance. Throws like `register`.
   */
  async registerCheck(instance: string, check: CheckDefinition): Promise<boolean> {
    this.#admit(check, [check]);
    return this.#keep(this.#has(instance) && this.#registry.addCheck(instance, check));
  }

  /** Removes a check of something that was registered, or that was added; false when there is none. */
  deregisterCheck(id: string): Promise<boolean> {
    return this.#keep(this.#registry.removeCheck(id));
  }

  /** Takes somebody's word for a ttl check; false when there is none of that id. */
  report(check: string, status: Health, output: string): boolean {
    return this.#checks.report(check, { status, output });
  }

  /**
   * Puts an instance of whatever source, or (no instance) the whole machine, into maintenance, or (no reason) takes it out;
   * false when the instance is not there.
   */
  setMaintenance(instance: string, reason: string | undefined): Promise<boolean> {
    return this.#keep(this.#has(instance) && this.#registry.setMaintenance(instance, reason));
  }

  /** What stands in the catalog of this machine from before fleetd began: nobody shall notice that it was away. */
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
   * The unit is about to be stopped: its services leave the catalog. Answers for how many milliseconds it must run on,
   * so that requests under way can end and nobody sends new ones; 0 when it may be stopped. Ask again then.
   */
  leave(unit: string): number {
    if (!this.#withdrawals.has(unit)) this.#withdraw(unit);
    return this.#withdrawals.leftMs(unit);
  }

  /** The unit goes on, or begins: its services come back. */
  stay(unit: string): void {
    if (this.#withdrawals.end(unit)) this.#changed();
  }

  /** All instances leave the catalog for good. Answers the milliseconds for which all units must run on after that. */
  leaveAll(): number {
    const drains = [...this.instances().keys()].map(
      (id) => this.#registrations.get(id)?.drainMs ?? this.#options.drainMs,
    );
    this.#leaving = true;
    this.#changed();
    return Math.max(0, ...drains);
  }

  /** The catalog holds these instances of this machine now. */
  published(instances: ReadonlyMap<string, ServiceInstance>): void {
    this.#withdrawals.published(instances.values());
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

  #has(instance: string): boolean {
    return instance === MACHINE || this.#registrations.has(instance);
  }

  #isOurs(registration: Registration): boolean {
    if (registration.source !== 'container' || !this.#options.unitContainersOnly) return true;
    return this.#unitOf(registration) !== undefined;
  }

  /** One that the catalog has no room for is told of once, and keeps none of the others out. */
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

  /** Throws what a third party is told who asks too much. */
  #admit(said: { readonly id: string }, checks: readonly CheckDefinition[]): void {
    const flaw = [said, ...checks].map(flawOf).find((found) => found !== undefined);
    if (flaw !== undefined) throw new FlotillaError('too-large', flaw);
    const refusal = checks.map((check) => this.#gate.refuse(check, 'api')).find((found) => found !== undefined);
    if (refusal !== undefined) throw new FlotillaError('forbidden', refusal);
  }

  /** After a change of what third parties say: acts on it, and resolves once it is on disk. Nothing found, nothing done. */
  async #keep(found: boolean): Promise<boolean> {
    if (!found) return false;
    this.#renew();
    await this.#registry.save();
    return true;
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

  /** Takes in what the sources and third parties say now. Of two with one id the first is taken. */
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

  /** All checks that the gate lets pass; what was registered while it was open is judged anew as well. */
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

  /** Of what is critical for too long, that which a third party registered is forgotten; the rest stays out meanwhile. */
  #onResults(): void {
    const { log } = this.#options;
    for (const registration of this.#registry.services.values()) {
      if (!this.#checksOf(registration).some(({ id }) => this.#checks.isOverdue(id))) continue;
      log.info('Service deregistered, critical for too long', { service: registration.id });
      this.deregister(registration.id).catch((error) =>
        log.error('Deregistration not kept', { error: messageOf(error) }),
      );
    }
    this.#changed();
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
    if (this.#leaving) return new Map();
    const recalled = [...this.#recalled].filter(([, { unit = '' }]) => !this.#withdrawals.has(unit));
    const instances = new Map(recalled);
    const built = new Map<string, Built>();
    const machine = this.#options.machine();
    for (const [id, registration] of this.#registrations) {
      const checks = this.#checksOf(registration);
      const unit = this.#unitOf(registration);
      if (unit !== undefined && this.#withdrawals.has(unit)) continue;
      if (checks.some((check) => this.#checks.isOverdue(check.id))) continue;
      const made = this.#instance(registration, { checks, unit, machine });
      built.set(id, made);
      instances.set(id, made.instance);
    }
    this.#built = built;
    return instances;
  }

  /** The same object as before unless something it shows has changed. */
  #instance(
    registration: Registration,
    {
      checks: definitions,
      unit,
      machine,
    }: { checks: readonly CheckDefinition[]; unit: string | undefined; machine: Machine },
  ): Built {
    const { id, address } = machine;
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

function shownCheck(definition: CheckDefinition, result: CheckResult | undefined): ServiceCheck {
  const { id, name, notes, probe } = definition;
  const { status, output } = result ?? { status: definition.status, output: '' };
  return { id, name, type: probe.type, status, output, notes };
}

/** As Consul shows it, so that its clients know what it means. */
function maintenanceCheck(instance: string, reason: string): ServiceCheck {
  const ofMachine = instance === MACHINE;
  return {
    id: ofMachine ? '_node_maintenance' : `_service_maintenance:${instance}`,
    name: ofMachine ? 'Node Maintenance Mode' : 'Service Maintenance Mode',
    type: 'maintenance',
    status: 'critical',
    output: '',
    notes: reason,
  };
}
