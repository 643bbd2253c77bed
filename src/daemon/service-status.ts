import type { Presence } from '../agent/index.ts';
import type { ServiceNotifier } from './service-notifier.ts';

export interface ServiceStatusOptions {
  readonly notifier: ServiceNotifier;
  readonly etcdServers: readonly string[];
  /** Aborts when fleetd stops; the service manager then has another status. */
  readonly signal: AbortSignal;
}

/**
 * Composes the line that `systemctl status` shows: where fleetd stands, which processes it restarted, what to beware
 * of.
 */
export class ServiceStatus {
  readonly #options: ServiceStatusOptions;
  readonly #restarts = new Map<string, number>();
  #presence: Presence | undefined;
  #leading = false;
  warning = '';

  constructor(options: ServiceStatusOptions) {
    this.#options = options;
  }

  /** The number of restarts of each process that ended by itself. */
  get restarts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#restarts);
  }

  /** Returns a function that counts one restart of `process` per call. */
  restartOf(process: string): () => void {
    return () => {
      this.#restarts.set(process, (this.#restarts.get(process) ?? 0) + 1);
      this.#tell();
    };
  }

  follow(presence: Presence): void {
    this.#presence = presence;
    presence.onChange(() => this.#tell());
    this.#tell();
  }

  lead(leads: boolean): void {
    this.#leading = leads;
    this.#tell();
  }

  #tell(): void {
    const { notifier, signal } = this.#options;
    if (this.#presence === undefined || signal.aborted) return;
    // In order of name: which of two ends is noticed first is chance.
    const restarts = [...this.#restarts]
      .sort()
      .map(([process, count]) => `${process} ${count}×`)
      .join(', ');
    const parts = [this.#standing(this.#presence), restarts && `restarted by itself: ${restarts}`, this.warning];
    notifier.status(parts.filter(Boolean).join('; '));
  }

  #standing({ state }: Presence): string {
    if (state === 'present') return this.#leading ? 'In the cluster, leading it' : 'In the cluster';
    if (state === 'taken') return 'Not joining: another machine with the same id is in the cluster';
    return `Waiting for etcd at ${this.#options.etcdServers.join(', ')}`;
  }
}
