import type { Kv, Session } from '../kv/index.ts';
import { type Clock, type Log, Loop, type Random } from '../lib/index.ts';
import type { Catalog } from '../services/index.ts';
import { checksOn } from './catalog-lookups.ts';
import { NODE_CHECK } from './present.ts';

export interface SessionKeeperOptions {
  readonly kv: Kv;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Ends sessions whose machine or checks have failed and releases the locks of ended sessions. Only the machine that
 * leads does so, the others watch nothing. Two doing it at once for a moment is harmless.
 */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  readonly #loop: Loop;
  #term: AbortController | undefined;
  #sessions = 0;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    this.#loop = new Loop({ ...options, name: 'sessions' }, () => this.#turn());
  }

  /** Reports whether this machine leads. */
  lead(leads: boolean): void {
    if (leads === (this.#term !== undefined)) return;
    this.#term?.abort();
    this.#term = leads ? this.#begin() : undefined;
  }

  #begin(): AbortController {
    const { kv, catalog, signal } = this.#options;
    const term = new AbortController();
    const ended = AbortSignal.any([term.signal, signal]);
    kv.sessions.watch(() => this.#loop.wake(), ended);
    const stop = catalog.onChange(() => {
      if (this.#sessions > 0) this.#loop.wake();
    });
    ended.addEventListener('abort', stop, { once: true });
    return term;
  }

  async #turn(): Promise<undefined> {
    if (!this.#term) return;
    const { kv, catalog } = this.#options;
    this.#sessions = await kv.sessions.sweep(async () => {
      // A machine that has joined a moment ago must not count as failed.
      await catalog.sync();
      return (session) => this.#isAlive(session);
    });
  }

  #isAlive({ machine, checks }: Session): boolean {
    const { snapshot } = this.#options.catalog;
    const node = snapshot.nodes.get(machine);
    const others = checks.filter((check) => check !== NODE_CHECK);
    if (!node) return checks.length === 0;
    if (others.length === 0) return true;
    const statuses = new Map(checksOn(snapshot, node).map(({ id, status }) => [id, status]));
    return others.every((check) => (statuses.get(check) ?? 'critical') !== 'critical');
  }
}
