import type { Needs } from '../../src/model/index.ts';
import type { WatchEvent } from '../../src/store/index.ts';
import type { RuntimeObserver } from './simulated-runtime.ts';
import type { Commit, StoreServer } from './store-server.ts';
import type { VirtualTime } from './virtual-time.ts';

const ROOT = '/sim/';
/** How long a machine may take to hear of a commit while its network is slow. */
const HEARD_WITHIN_MS = 1000;

/** What is written of a unit that the invariants need. */
interface UnitRecord {
  readonly hash: string;
  readonly ran?: { readonly machine: string };
  readonly needs?: Partial<Needs>;
}

interface ClaimedStatus {
  readonly state: string;
  readonly active: string;
}

export class InvariantBroken extends Error {}

/**
 * What must hold after every single commit, and whenever a unit starts or stops, whatever goes wrong. Read from the
 * store's own records, so that no code under test decides what is seen.
 */
export class Invariants implements RuntimeObserver {
  readonly #server: StoreServer;
  readonly #time: VirtualTime;
  /** Needs by unit and hash: a placement is judged by the file it was made for. */
  readonly #needs = new Map<string, Partial<Needs>>();
  /** Last virtual time at which a unit was not wanted running on a machine, by `machine/unit`. */
  readonly #unwanted = new Map<string, number>();
  /** Unit → machine → hash of the file that runs there. */
  readonly #running = new Map<string, Map<string, string>>();
  readonly #leaving = new Set<string>();
  /** Since when machines have stood still, and so heard of nothing. */
  readonly #stillSince = new Map<string, number>();
  #broken: InvariantBroken | undefined;
  commits = 0;
  starts = 0;
  /** Units that have run once. */
  ends = 0;

  constructor(server: StoreServer, time: VirtualTime) {
    this.#server = server;
    this.#time = time;
    server.onCommit = (commit) => this.#onCommit(commit);
  }

  /** The first violation, to be thrown by the run: code under test must not be able to catch it. */
  get broken(): InvariantBroken | undefined {
    return this.#broken;
  }

  started(machine: string, unit: string, hash: string): void {
    this.starts++;
    const running = this.#running.get(unit) ?? new Map<string, string>();
    this.#running.set(unit, running.set(machine, hash));
    const own = this.#needsOf(unit, hash);
    const record = this.#server.get(`${ROOT}cluster/unit/${unit}`);
    const { hash: current, ran } = JSON.parse(record?.value ?? '{}') as Partial<UnitRecord>;
    if (ran && current === hash)
      this.#fail(`${unit} was started on ${machine}, though it had run once on ${ran.machine}`);
    if (own.onPartition === 'stop' && !this.#server.get(`${ROOT}cluster/machine/${machine}`))
      this.#fail(`${unit} with OnPartition=stop was started on ${machine} after its lease had ended`);
    // Copies of a file that may run on are nobody's fault; those of a file which says stop must be alone.
    const careful = [...running].filter(([holder, held]) => {
      // A machine that is present hears of a move and stops its copy; one whose lease has ended must have done so.
      if (holder !== machine && this.#server.get(`${ROOT}cluster/machine/${holder}`)) return false;
      const needs = this.#needsOf(unit, held);
      return needs.onPartition === 'stop' && !needs.global;
    });
    if (careful.length > 1)
      this.#fail(`${unit} with OnPartition=stop runs twice: on ${careful.map(([id]) => id).join(' and ')}`);
  }

  ended(machine: string, unit: string): void {
    this.#running.get(unit)?.delete(machine);
    this.ends++;
  }

  stopped(machine: string, unit: string, startedAtMs: number): void {
    const held = this.#running.get(unit)?.get(machine);
    this.#running.get(unit)?.delete(machine);
    if (this.#leaving.has(machine)) return;
    const placement = this.#placement(machine, unit);
    const needs = this.#needsOf(unit, placement?.hash ?? '');
    if (needs.onPartition === 'stop') return;
    if (placement?.desired !== 'launched' || (held && placement.hash !== held)) return;
    // A machine hears of a placement that was taken away and given back a moment late, of each in its turn.
    const sinceMs = Math.min(startedAtMs, this.#stillSince.get(machine) ?? Infinity) - HEARD_WITHIN_MS;
    if ((this.#unwanted.get(`${machine}/${unit}`) ?? -Infinity) >= sinceMs) return;
    this.#fail(`${unit} was stopped on ${machine}, where it has been wanted ever since it was started`);
  }

  stoodStill(machine: string): void {
    if (!this.#stillSince.has(machine)) this.#stillSince.set(machine, this.#time.nowMs);
  }

  /** It goes through what it has not heard, one after the other. */
  wentOn(machine: string): void {
    this.#time.schedule(HEARD_WITHIN_MS, () => this.#stillSince.delete(machine));
  }

  /** The machine's fleetd has been told to stop and takes its units with it; or it is there again. */
  stoppedCleanly(machine: string, stopped: boolean): void {
    if (stopped) this.#leaving.add(machine);
    else this.#leaving.delete(machine);
  }

  /** No more of its units run. */
  lostPower(machine: string): void {
    for (const running of this.#running.values()) running.delete(machine);
  }

  #fail(message: string): void {
    this.#broken ??= new InvariantBroken(`at ${(this.#time.nowMs / 1000).toFixed(3)} s: ${message}`);
  }

  #onCommit(commit: Commit): void {
    this.commits++;
    for (const event of commit.events) this.#remember(event);
    const touched = new Set<string>();
    for (const event of commit.events) {
      const key = keyOf(event).slice(ROOT.length);
      if (key.startsWith('cluster/placement/')) touched.add(key.split('/').slice(3).join('/'));
      if (key.startsWith('status/')) this.#checkStatus(event, key, commit.by);
    }
    if (touched.size > 0) this.#checkPlacements(commit, touched);
    this.#checkLeases(commit);
  }

  #remember(event: WatchEvent): void {
    const [, kind, ...rest] = keyOf(event).slice(ROOT.length).split('/');
    if (kind === 'unit' && event.type === 'put') {
      const record = JSON.parse(event.entry.value) as UnitRecord;
      this.#needs.set(`${rest.join('/')} ${record.hash}`, record.needs ?? {});
    }
    if (kind !== 'placement') return;
    const before = event.previous && (JSON.parse(event.previous.value) as { hash: string; desired: string });
    const after =
      event.type === 'put' ? (JSON.parse(event.entry.value) as { hash: string; desired: string }) : undefined;
    const kept = before?.hash === after?.hash && before?.desired === 'launched' && after?.desired === 'launched';
    if (!kept) this.#unwanted.set(rest.join('/'), this.#time.nowMs);
  }

  #checkPlacements(commit: Commit, touched: ReadonlySet<string>): void {
    const leader = this.#server.get(`${ROOT}cluster/leader`);
    const leads = leader && (JSON.parse(leader.value) as { machine: string }).machine;
    if (commit.by !== leads) this.#fail(`${commit.by} changed placements while ${leads} leads`);
    const byMachine = this.#placementsByMachine();
    for (const unit of touched) {
      const machines = [...byMachine].filter(([, units]) => units.has(unit));
      for (const [machine, units] of machines) this.#checkConflicts(machine, unit, units);
      const isGlobal = machines.some(([, units]) => this.#needsOf(unit, units.get(unit)!).global);
      if (machines.length > 1 && !isGlobal)
        this.#fail(`${unit} is placed on ${machines.map(([id]) => id).join(' and ')}`);
    }
  }

  #checkConflicts(machine: string, unit: string, placed: ReadonlyMap<string, string>): void {
    for (const [other, hash] of placed) {
      if (other === unit) continue;
      const clash =
        this.#needsOf(unit, placed.get(unit)!).conflicts?.includes(other) ||
        this.#needsOf(other, hash).conflicts?.includes(unit);
      if (clash) this.#fail(`${unit} and ${other} conflict and are both placed on ${machine}`);
    }
  }

  #checkStatus(event: WatchEvent, key: string, by: string | undefined): void {
    const machine = key.split('/')[1]!;
    if (by !== undefined && by !== machine) this.#fail(`${by} wrote a status of ${machine}`);
    if (event.type === 'put') this.#checkClaim(key, JSON.parse(event.entry.value) as ClaimedStatus);
    if (event.type === 'put' && event.entry.lease === undefined) this.#fail(`status ${key} hangs on no lease`);
  }

  /** No start fails here, only stops do: a status that speaks of a failed start tells the end of the one before it. */
  #checkClaim(key: string, { state, active }: ClaimedStatus): void {
    if (state === 'launched' && active === 'failed')
      this.#fail(`${key} is said to be launched and failed, which is how it was stopped before`);
  }

  #checkLeases(commit: Commit): void {
    for (const event of commit.events) {
      if (event.type !== 'put' || event.entry.lease === undefined) continue;
      if (!this.#server.hasLease(event.entry.lease)) this.#fail(`${event.entry.key} outlives its lease`);
    }
  }

  #placementsByMachine(): Map<string, Map<string, string>> {
    const prefix = `${ROOT}cluster/placement/`;
    const byMachine = new Map<string, Map<string, string>>();
    for (const { key, value } of this.#server.entries({ from: prefix, to: `${ROOT}cluster/placement0` })) {
      const [machine = '', ...unit] = key.slice(prefix.length).split('/');
      const units = byMachine.get(machine) ?? new Map<string, string>();
      byMachine.set(machine, units.set(unit.join('/'), (JSON.parse(value) as { hash: string }).hash));
    }
    return byMachine;
  }

  #placement(machine: string, unit: string): { hash: string; desired: string } | undefined {
    const entry = this.#server.get(`${ROOT}cluster/placement/${machine}/${unit}`);
    return entry && (JSON.parse(entry.value) as { hash: string; desired: string });
  }

  #needsOf(unit: string, hash: string): Partial<Needs> {
    return this.#needs.get(`${unit} ${hash}`) ?? {};
  }
}

function keyOf(event: WatchEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}
