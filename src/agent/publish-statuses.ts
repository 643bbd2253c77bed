import type { Announcement, Cluster } from '../cluster/index.ts';
import { isFlotillaError } from '../lib/index.ts';
import type { UnitStatus } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';

/** Why a unit that is placed here could not be loaded or started. */
export interface Refusal {
  readonly hash: string;
  readonly step: 'load' | 'start';
  readonly message: string;
  /** Tried again from then on, by the monotonic clock: the machine's full disk may be to blame and not the file. */
  readonly againAtMs: number;
  readonly tries: number;
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

/** What must be written (undefined: removed) to turn `published` into `current`. */
export function statusChanges(
  published: ReadonlyMap<string, UnitStatus>,
  current: ReadonlyMap<string, UnitStatus>,
): Map<string, UnitStatus | undefined> {
  const changes = new Map<string, UnitStatus | undefined>();
  for (const [unit, status] of current) {
    const known = published.get(unit);
    if (!known || !sameStatus(known, status)) changes.set(unit, status);
  }
  for (const unit of published.keys()) if (!current.has(unit)) changes.set(unit, undefined);
  return changes;
}

/** What stands in the store of this machine's statuses, kept in step with what it has to say. */
export class StatusPublisher {
  readonly #cluster: Cluster;
  readonly #machine: string;
  #published = new Map<string, UnitStatus>();
  #under: Announcement | undefined;
  /** A write under this announcement may still be on its way: the machine must be announced anew before the next. */
  #doubted: Announcement | undefined;

  constructor(cluster: Cluster, machine: string) {
    this.#cluster = cluster;
    this.#machine = machine;
  }

  /**
   * Makes the store say `current`, and nothing else, of this machine. Answers `announce` when that has to wait for a new
   * announcement: the outcome of a write is unknown, and only a new fence keeps it from surfacing later.
   */
  async publish(
    announcement: Announcement,
    current: ReadonlyMap<string, UnitStatus>,
  ): Promise<'published' | 'announce'> {
    if (this.#doubted === announcement) return 'announce';
    if (this.#under !== announcement) {
      this.#published = new Map(await this.#cluster.statusesOf(this.#machine));
      this.#under = announcement;
    }
    const changes = statusChanges(this.#published, current);
    if (changes.size === 0) return 'published';
    try {
      await this.#cluster.putStatuses(announcement, changes);
    } catch (error) {
      if (!isFlotillaError(error)) throw error;
      this.#doubted = announcement;
      return 'announce';
    }
    for (const [unit, status] of changes) {
      if (status) this.#published.set(unit, status);
      else this.#published.delete(unit);
    }
    return 'published';
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
