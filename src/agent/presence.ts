import type { Announcement, Cluster, Lease } from '../cluster/index.ts';
import { type Clock, type Log, Loop, messageOf, type Random } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';

export interface PresenceOptions {
  readonly cluster: Cluster;
  /** Returns the machine's record of now; called for each announcement. */
  readonly machine: () => Machine;
  /** The machine's random token, kept on disk (`announce` in cluster/machine-records.ts). */
  readonly token: string;
  readonly ttlMs: number;
  /** Keeps the lease id over restarts of fleetd, but not over a reboot. */
  readonly memory: LeaseMemory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface LeaseMemory {
  load(): string | undefined;
  save(leaseId: string): void;
}

/** The longest delay before a try to reach the store, in milliseconds: second copies run until it is reached. */
const MAX_BACKOFF_MS = 250;

/** The longest that a machine waits for its agent to settle before it offers its services, in milliseconds. */
const SETTLE_AT_MOST_MS = 2000;

/** `taken`: another machine with the same id is present; this one does not join until that has gone. */
export type PresenceState = 'joining' | 'present' | 'taken';

/**
 * Keeps this machine announced under a lease, over losses of the store. A fleetd that restarts takes over the lease of
 * its predecessor, so that the machine is never absent.
 */
export class Presence {
  /** The lease of this fleetd's predecessor, in this boot; undefined when there was none. */
  readonly inheritedLeaseId: string | undefined;
  readonly #options: PresenceOptions;
  readonly #listeners = new Set<() => void>();
  readonly #loop: Loop;
  #lease: Lease | undefined;
  #announcement: Announcement | undefined;
  #state: PresenceState = 'joining';
  /** The lease under which the agent has settled. */
  #settledLeaseId: string | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.inheritedLeaseId = options.memory.load();
    this.#settledLeaseId = this.inheritedLeaseId;
    this.#loop = new Loop({ ...options, name: 'presence', maxBackoffMs: MAX_BACKOFF_MS }, () => this.#turn());
  }

  get state(): PresenceState {
    return this.#state;
  }

  /** The current announcement, while the machine is present and its lease is certainly alive. */
  get announcement(): Announcement | undefined {
    return this.#state === 'present' && !this.#lease?.lost.aborted ? this.#announcement : undefined;
  }

  get lease(): Lease | undefined {
    return this.announcement?.lease;
  }

  /**
   * The current announcement once the agent has settled: it knows which units belong here. Units that were placed elsewhere
   * since the last lease ended are second copies, whose services must not be offered.
   */
  get settled(): Announcement | undefined {
    const { announcement } = this;
    return announcement?.lease.id === this.#settledLeaseId ? announcement : undefined;
  }

  /** Called by the agent when it has settled under `lease`; ignored when that is not the current one. */
  settle(lease: Lease): void {
    if (this.#lease !== lease || this.#settledLeaseId === lease.id) return;
    this.#settledLeaseId = lease.id;
    this.#tell();
  }

  /** Calls `fn` whenever `state`, `settled` or `announcement` has changed. Returns the unsubscribe. */
  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Announces again, with a new fence: the machine's record has changed, or a write under the old one is in doubt. */
  announce(): void {
    this.#loop.wake();
  }

  /** Withdraws the machine at once. Call after the signal has been aborted. */
  async leave(): Promise<void> {
    await this.#loop.done;
    const { cluster, machine, token } = this.#options;
    const [lease, announcement] = [this.#lease, this.announcement];
    this.#lease = undefined;
    this.#become('joining');
    try {
      // Announce once more: a candidate that began to watch only now learns that the machine was alive: it is not awaited.
      if (lease && announcement) await cluster.announce({ ...machine(), leaving: true }, token, lease);
    } finally {
      await lease?.revoke();
    }
  }

  async #turn(): Promise<number | undefined> {
    const { cluster, machine, token, ttlMs, log } = this.#options;
    const lease = await this.#currentLease();
    const self = machine();
    const announced = await cluster.announce(self, token, lease);
    if (announced === 'taken') {
      if (this.#state !== 'taken')
        log.error('Another machine with this id is present, not joining', { machine: self.id });
      this.#become('taken');
      return Math.min(1000, ttlMs / 3);
    }
    if (this.#state !== 'present') log.info('Joined the cluster', { machine: self.id, lease: lease.id });
    this.#remember(lease);
    this.#announcement = announced;
    this.#become('present');
    return undefined;
  }

  async #currentLease(): Promise<Lease> {
    if (this.#lease && !this.#lease.lost.aborted) return this.#lease;
    const { cluster, ttlMs } = this.#options;
    // A lease that counted as lost here may still be alive in the store: resumed, no unit has to move.
    const previous = this.#lease?.id ?? this.inheritedLeaseId;
    const lease = (previous && (await cluster.resumeLease(previous))) || (await cluster.lease(ttlMs));
    this.#lease = lease;
    lease.lost.addEventListener('abort', () => this.#onLost(lease), { once: true });
    this.#options.clock.after(SETTLE_AT_MOST_MS, () => this.settle(lease));
    return lease;
  }

  /** Saves the lease for the next fleetd. When that fails this machine acts all the same: it has announced itself. */
  #remember(lease: Lease): void {
    try {
      this.#options.memory.save(lease.id);
    } catch (error) {
      this.#options.log.warn('The lease cannot be written down: a restart of fleetd will be noticed', {
        error: messageOf(error),
      });
    }
  }

  #onLost(lease: Lease): void {
    const { log, signal } = this.#options;
    if (this.#lease !== lease || signal.aborted) return;
    // This is fleet's own sentence, on which users have alerts.
    const sentence = 'Server monitor triggered: Monitor timed out before successful heartbeat';
    log.error(sentence, { lease: lease.id, error: messageOf(lease.lost.reason) });
    this.#become('joining');
    this.#loop.wake();
  }

  #become(state: PresenceState): void {
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
