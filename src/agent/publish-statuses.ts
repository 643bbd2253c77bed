import type { Cluster, Lease, PublishedStatus, StatusChange } from '../cluster/index.ts';
import type { UnitStatus } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';

/** Why a unit that is placed here could not be loaded or started. */
export interface Refusal {
  readonly hash: string;
  readonly step: 'load' | 'start';
  readonly message: string;
}

/** What this machine has to say of its units, by unit. */
export function currentStatuses(
  machine: string,
  held: Iterable<LoadedUnit>,
  refusals: ReadonlyMap<string, Refusal>,
): Map<string, UnitStatus> {
  const statuses = new Map<string, UnitStatus>();
  for (const unit of held) {
    const note = refusals.get(unit.name);
    // Until its start job is over, a unit that is still inactive has not been launched in anybody's eyes.
    const waiting = unit.starting && unit.state.active === 'inactive';
    statuses.set(unit.name, {
      machine,
      unit: unit.name,
      hash: unit.hash,
      state: unit.launched && !waiting ? 'launched' : 'loaded',
      ...unit.state,
      ...(note ? { note: note.message } : {}),
    });
  }
  for (const [unit, { hash, step, message }] of refusals) {
    if (step !== 'load') continue;
    const state = { load: 'error', active: 'inactive', sub: 'dead' };
    statuses.set(unit, { machine, unit, hash, state: 'loaded', ...state, note: message });
  }
  return statuses;
}

/**
 * What stands in the store of this machine's statuses, kept in step with what it has to say. After a write whose outcome
 * is unknown, what it touched is written again whatever it says, so that nothing stale can surface later.
 */
export class StatusPublisher {
  readonly #cluster: Cluster;
  readonly #machine: string;
  #published = new Map<string, PublishedStatus>();
  #under: Lease | undefined;
  readonly #doubtful = new Set<string>();

  constructor(cluster: Cluster, machine: string) {
    this.#cluster = cluster;
    this.#machine = machine;
  }

  /** Makes the store say `current`, and nothing else, of this machine. Rejects when that failed; call again. */
  async publish(lease: Lease, current: ReadonlyMap<string, UnitStatus>): Promise<void> {
    if (this.#under !== lease) {
      this.#published = new Map(await this.#cluster.statusesOf(this.#machine));
      this.#under = lease;
    }
    const changes = this.#changes(current);
    if (changes.length === 0) return;
    for (const { unit } of changes) this.#doubtful.add(unit);
    try {
      const revisions = await this.#cluster.putStatuses(lease, this.#machine, changes);
      for (const { unit, status } of changes) {
        if (status) this.#published.set(unit, { status, revision: revisions.get(unit)! });
        else this.#published.delete(unit);
        this.#doubtful.delete(unit);
      }
    } catch (error) {
      this.#under = undefined;
      throw error;
    }
  }

  #changes(current: ReadonlyMap<string, UnitStatus>): StatusChange[] {
    const changes: StatusChange[] = [];
    for (const [unit, status] of current) {
      const known = this.#published.get(unit);
      if (known && sameStatus(known.status, status) && !this.#doubtful.has(unit)) continue;
      changes.push({ unit, status, knownRevision: known?.revision ?? 0 });
    }
    for (const [unit, { revision }] of this.#published)
      if (!current.has(unit)) changes.push({ unit, status: undefined, knownRevision: revision });
    return changes;
  }
}

function sameStatus(a: UnitStatus, b: UnitStatus): boolean {
  return (
    a.hash === b.hash &&
    a.state === b.state &&
    a.load === b.load &&
    a.active === b.active &&
    a.sub === b.sub &&
    a.note === b.note
  );
}
