import { createHash } from 'node:crypto';
import { type Cluster, openCluster } from '../../src/cluster/index.ts';
import { scheduleOnce } from '../../src/engine/index.ts';
import { isFlotillaError, silentLog } from '../../src/lib/index.ts';
import { type DesiredState, type Needs, NO_NEEDS, type Unit } from '../../src/model/index.ts';
import { Invariants } from './invariants.ts';
import { RECONCILE_MS, SimulatedMachine, TTL_MS } from './simulated-machine.ts';
import { type Mutant, StoreClient } from './store-client.ts';
import { StoreServer } from './store-server.ts';
import { ProcessClock, SeededRandom, VirtualTime } from './virtual-time.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly machines: number;
  readonly mutant?: Mutant | undefined;
  readonly trace?: ((line: string) => void) | undefined;
}

/** Time after the last fault by which everything must be as its users want it: TTL + 2 intervals, and the network's. */
export const CONVERGENCE_MS = TTL_MS * 1.25 + 2 * RECONCILE_MS + 2000;

/** A whole cluster in virtual time: store, network, machines, users; and the invariants that watch it. */
export class World {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly server: StoreServer;
  readonly invariants: Invariants;
  readonly machines: readonly SimulatedMachine[];
  readonly #user: Cluster;
  readonly #trace: (line: string) => void;

  constructor(options: WorldOptions) {
    const { seed, machines, mutant, trace } = options;
    const { time } = this;
    this.random = new SeededRandom(seed);
    this.server = new StoreServer(time);
    this.invariants = new Invariants(this.server, time);
    this.#trace = trace ?? (() => {});
    if (trace) this.#traceCommits();
    const parts = { server: this.server, time, random: this.random, observer: this.invariants, mutant, trace };
    this.machines = Array.from(
      { length: machines },
      (_, index) => new SimulatedMachine(`m${index + 1}`, { zone: index % 2 ? 'b' : 'a' }, parts),
    );
    this.#user = this.#openUser();
  }

  /** Runs for `ms`; throws the first violation of an invariant. */
  async run(ms: number): Promise<void> {
    const until = this.time.nowMs + ms;
    while (this.time.nowMs < until) {
      await this.time.run(Math.min(until, this.time.nowMs + 500));
      if (this.invariants.broken) throw this.invariants.broken;
    }
  }

  note(sentence: string): void {
    this.#trace(`${(this.time.nowMs / 1000).toFixed(3)} -- ${sentence}`);
  }

  // ---- what users do

  /** Creates the unit, or replaces its file. */
  submit(name: string, desired: DesiredState, needs: Partial<Needs> = {}, edition = 0): void {
    const whole = { ...NO_NEEDS, ...needs };
    const text = JSON.stringify({ name, needs: whole, edition });
    const unit: Unit = { name, hash: createHash('sha1').update(text).digest('hex'), desired, needs: whole };
    this.note(`user submits ${name} ${desired} ${JSON.stringify(needs)} edition ${edition}`);
    this.#attempt(this.#replace(unit, text));
  }

  async #replace(unit: Unit, text: string): Promise<void> {
    const view = await this.#user.fullView(AbortSignal.timeout(60_000));
    await this.#user.putUnit(unit, text, view.snapshot.units.get(unit.name));
    view.close();
  }

  /** Creates the unit, destroys it and creates it again with the same file, each a moment after the other. */
  resubmit(name: string, needs: Partial<Needs>, edition: number): void {
    this.submit(name, 'launched', needs, edition);
    let atMs = 0;
    for (let i = 0; i < 3; i++) {
      const goneAtMs = atMs + this.random.float() * 30;
      atMs = goneAtMs + 5 + this.random.float() * 30;
      this.time.schedule(goneAtMs, () => this.destroy(name));
      this.time.schedule(atMs, () => this.submit(name, 'launched', needs, edition));
    }
  }

  /** The text of a unit is not in the store for a while, though its record is. */
  loseText(name: string, forMs: number): void {
    const lost = this.server.get(`/sim/text/${name}`);
    if (!lost) return;
    this.note(`the text of ${name} is lost`);
    this.server.commit(undefined, [], [{ delete: lost.key }]);
    this.time.schedule(forMs, () => {
      const hashOf = (value = '{}') => (JSON.parse(value) as { hash?: string }).hash;
      // Lost twice meanwhile, it is not what the unit had first that is to come back.
      if (hashOf(this.server.get(`/sim/cluster/unit/${name}`)?.value) !== hashOf(lost.value)) return;
      this.server.commit(undefined, [], [{ put: lost.key, value: lost.value }]);
    });
  }

  setDesired(name: string, desired: DesiredState): void {
    this.note(`user sets ${name} ${desired}`);
    this.#attempt(this.#user.setDesired(name, desired));
  }

  destroy(name: string): void {
    this.note(`user destroys ${name}`);
    this.#attempt(this.#user.destroyUnit(name));
  }

  setMetadata(machine: string, key: string, value: string | undefined): void {
    this.note(`user sets metadata ${machine} ${key}=${value}`);
    this.#attempt(this.#user.setMetadata([{ machine, key, value }]));
  }

  /** Users meet errors while the store is down, and live with them. */
  #attempt(call: Promise<unknown>): void {
    call.catch((error) => {
      if (!isFlotillaError(error)) throw error;
      this.note(`user is told: ${error.message}`);
    });
  }

  // ---- the end

  /** Mends everything that is broken and waits until nothing old is under way in the network any more. */
  async mend(): Promise<void> {
    this.note('all faults end');
    if (!this.server.up) this.server.start();
    for (const machine of this.machines) {
      machine.heal();
      machine.goOn();
      machine.jumpClock(0);
      machine.diskIsFull = false;
      machine.runtime.refusal = undefined;
      machine.start();
    }
    // A request stuck in the network is itself a fault: it ends with its delivery.
    await this.run(13_000);
    await this.run(CONVERGENCE_MS);
  }

  /** In what the cluster is not as its users want it; empty when all is well. */
  async differences(): Promise<string[]> {
    const reading = this.#user.fullView(AbortSignal.timeout(60_000));
    await this.run(500);
    const view = await reading;
    const { units, machines, placements, statuses } = view.snapshot;
    const found: string[] = [];
    for (const machine of this.machines) if (!machines.has(machine.id)) found.push(`${machine.id} is not present`);
    for (const { unit, reason } of scheduleOnce({ units, machines, placements }).decisions)
      found.push(`${unit} is still to be decided upon: ${reason}`);
    for (const machine of this.machines) {
      const wanted = new Map(
        [...placements].flatMap(([unit, on]) => [
          ...(on.has(machine.id) ? [[unit, on.get(machine.id)!] as const] : []),
        ]),
      );
      const running = new Set(machine.runtime.running());
      for (const [unit, { hash, desired, once }] of wanted) {
        if (machine.runtime.hashOf(unit) !== hash) found.push(`${machine.id} holds another ${unit} than placed`);
        if (once && desired === 'launched') {
          if (once !== 'done' || running.has(unit)) found.push(`${unit} on ${machine.id} has not run once: ${once}`);
          continue;
        }
        if (running.has(unit) !== (desired === 'launched'))
          found.push(`${machine.id} does not have ${unit} ${desired}`);
        const status = statuses.get(unit)?.get(machine.id);
        const active = desired === 'launched' ? ['active'] : ['inactive', 'failed'];
        if (status?.hash !== hash || status.state !== desired || !active.includes(status.active))
          found.push(`${machine.id} reports ${unit} as ${JSON.stringify(status)}, not ${desired}`);
      }
      for (const unit of machine.runtime.names())
        if (!wanted.has(unit)) found.push(`${machine.id} still holds ${unit}`);
    }
    for (const [unit, on] of statuses)
      for (const id of on.keys())
        if (!placements.get(unit)?.has(id)) found.push(`a status of ${unit} on ${id} is left over`);
    view.close();
    return found;
  }

  /** Moves of units among machines so far, as `unit: from → to`. */
  placementsNow(): Map<string, string> {
    const prefix = '/sim/cluster/placement/';
    return new Map(
      this.server.entries({ from: prefix, to: '/sim/cluster/placement0' }).map(({ key }) => {
        const [machine = '', ...unit] = key.slice(prefix.length).split('/');
        return [unit.join('/'), machine];
      }),
    );
  }

  #traceCommits(): void {
    const judge = this.server.onCommit;
    this.server.onCommit = (commit) => {
      const what = commit.events.map((event) => (event.type === 'put' ? `+${event.entry.key}` : `-${event.key}`));
      this.note(`revision ${commit.revision} by ${commit.by}: ${what.join(' ')}`);
      judge(commit);
    };
  }

  #openUser(): Cluster {
    const clock = new ProcessClock(this.time, 1);
    const link = { open: true, lossRate: 0, stuckRate: 0, maxDelayMs: 2, onOpen: new Set<() => void>() };
    const { server, time, random } = this;
    const store = new StoreClient({ server, time, clock, random, link, machine: undefined });
    return openCluster({ store, prefix: '/sim/', clock, random, log: silentLog });
  }
}
