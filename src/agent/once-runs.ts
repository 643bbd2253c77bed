import type { Announcement, Cluster } from '../cluster/index.ts';
import { type Clock, type Log, messageOf, RepeatedFailure } from '../lib/index.ts';
import type { Placement } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';

type Placements = ReadonlyMap<string, Placement>;

export interface OnceRunsOptions {
  readonly cluster: Pick<Cluster, 'ranOnce' | 'recordRun'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Units with RunOnce=true: whether they may be started, and the record that they need not be started again. */
export class OnceRuns {
  readonly #cluster: OnceRunsOptions['cluster'];
  readonly #log: Log;
  readonly #unread: RepeatedFailure;
  readonly #unwritten: RepeatedFailure;
  /** The revision of the record by which a unit was started; unknown of what an earlier fleetd started. */
  readonly #revisions = new Map<string, number>();

  constructor({ cluster, clock, log }: OnceRunsOptions) {
    this.#cluster = cluster;
    this.#log = log;
    const unread = 'Cannot read whether units with RunOnce=true have run, they wait';
    this.#unread = new RepeatedFailure({ clock, log, sentence: unread, over: 'Runs of such units can be read again' });
    const unwritten = 'Cannot write down that a unit with RunOnce=true has run, trying again';
    this.#unwritten = new RepeatedFailure({ clock, log, sentence: unwritten, over: 'Runs are written down again' });
  }

  /** True when some unit placed here is still to run: how it ends must be heard of at once. */
  isAny(placements: Placements): boolean {
    for (const { once } of placements.values()) if (once === 'due') return true;
    return false;
  }

  /**
   * Returns the units that must not be started now. It asks the store, since a machine may hear late that its unit was
   * placed elsewhere and has run there; where the store does not respond such a unit waits, and no other.
   */
  async barred(units: readonly string[], placements: Placements): Promise<ReadonlySet<string>> {
    const due = units.flatMap((name) => {
      const placement = placements.get(name);
      return placement?.once === 'due' ? [{ name, hash: placement.hash }] : [];
    });
    if (due.length === 0) return new Set();
    try {
      const runs = await this.#cluster.ranOnce(due);
      this.#unread.succeeded();
      for (const [name, { revision }] of runs) this.#revisions.set(name, revision);
      return new Set([...runs].flatMap(([name, { ran }]) => (ran ? [name] : [])));
    } catch (error) {
      this.#unread.failed(messageOf(error));
      return new Set(due.map(({ name }) => name));
    }
  }

  /**
   * Writes down which units have ended with success. Returns the units to start again, whose users have asked for that since
   * the last start; undefined when the store did not respond: call again.
   */
  async record(
    announcement: Announcement,
    placements: Placements,
    held: Iterable<LoadedUnit>,
  ): Promise<readonly string[] | undefined> {
    for (const name of this.#revisions.keys()) if (!placements.has(name)) this.#revisions.delete(name);
    const again: string[] = [];
    try {
      for (const { name, hash, succeeded, state } of held) {
        const placement = placements.get(name);
        if (!succeeded || placement?.once !== 'due' || placement.hash !== hash) continue;
        // To start what is active (RemainAfterExit=) does nothing in systemd either.
        const revision = state.active === 'active' ? undefined : this.#revisions.get(name);
        const answer = await this.#cluster.recordRun(announcement, { name, hash, revision });
        this.#unwritten.succeeded();
        if (answer === 'outdated') again.push(name);
        if (answer === 'done') this.#log.info('Unit has run once', { unit: name });
      }
      return again;
    } catch (error) {
      this.#unwritten.failed(messageOf(error));
      return undefined;
    }
  }
}
