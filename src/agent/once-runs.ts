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

/** Decides whether units with RunOnce=true may be started, and records that they have run. */
export class OnceRuns {
  readonly #cluster: OnceRunsOptions['cluster'];
  readonly #log: Log;
  readonly #unread: RepeatedFailure;
  readonly #unwritten: RepeatedFailure;
  /** By unit, the revision of the record by which it was started; absent for units that an earlier fleetd started. */
  readonly #revisions = new Map<string, number>();

  constructor({ cluster, clock, log }: OnceRunsOptions) {
    this.#cluster = cluster;
    this.#log = log;
    const unread = 'Cannot read whether units with RunOnce=true have run, they wait';
    this.#unread = new RepeatedFailure({ clock, log, sentence: unread, over: 'Runs of such units can be read again' });
    const unwritten = 'Cannot write down that a unit with RunOnce=true has run, trying again';
    this.#unwritten = new RepeatedFailure({ clock, log, sentence: unwritten, over: 'Runs are written down again' });
  }

  /** Returns true when a unit placed here has yet to run: the agent must learn at once how it ends. */
  isAny(placements: Placements): boolean {
    for (const { once } of placements.values()) if (once === 'due') return true;
    return false;
  }

  /**
   * Returns the units that must not be started now. It asks the store, since this machine's view may be behind and the unit
   * may have run elsewhere. While the store does not respond these units wait, and no others.
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
   * Records which units have ended with success. Returns the units to start again, since their users asked for it after the
   * last start; undefined when the store did not respond: call again.
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
        // As in systemd, starting a unit that is active (RemainAfterExit=yes) does nothing.
        const revision = state.active === 'active' ? undefined : this.#revisions.get(name);
        const outcome = await this.#cluster.recordRun(announcement, { name, hash, revision });
        this.#unwritten.succeeded();
        if (outcome === 'outdated') again.push(name);
        if (outcome === 'done') this.#log.info('Unit has run once', { unit: name });
      }
      return again;
    } catch (error) {
      this.#unwritten.failed(messageOf(error));
      return undefined;
    }
  }
}
