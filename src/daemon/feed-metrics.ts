import { fleetMetrics, type Metrics } from '../api/index.ts';
import type { EngineObserver } from '../engine/index.ts';
import type { Clock } from '../lib/index.ts';
import type { Store } from '../store/index.ts';

/**
 * Translates the engine's terms and rounds into fleet's engine metrics; `onTerm` is told whether this machine leads.
 */
export function observeEngine(metrics: Metrics, onTerm: (leading: boolean) => void): EngineObserver {
  const figures = fleetMetrics(metrics);
  return {
    term(sinceMs) {
      figures.leaderStartTime.set((sinceMs ?? 0) / 1000);
      onTerm(sinceMs !== undefined);
    },
    round({ durationMs, decisions, failed }) {
      figures.reconcileCount.inc();
      figures.reconcileDuration.observe(durationMs / 1000);
      if (decisions > 0) figures.taskCount.inc({ type: 'AttemptScheduleUnit' }, decisions);
      if (!failed) return;
      figures.reconcileFailureCount.inc();
      figures.taskFailureCount.inc({ type: 'AttemptScheduleUnit' }, decisions);
    },
  };
}

const OPERATIONS: Readonly<Partial<Record<keyof Store, string>>> = {
  list: 'get',
  get: 'get',
  getMany: 'get',
  revision: 'get',
  commit: 'set',
  lease: 'set',
  resumeLease: 'set',
  grantLease: 'set',
  renewLease: 'set',
  revokeLease: 'set',
};

/** The same store, with every request counted and timed as fleet's registry operations. */
export function meterStore(store: Store, metrics: Metrics, clock: Clock): Store {
  const figures = fleetMetrics(metrics);
  const meter =
    (type: string, call: (...args: unknown[]) => Promise<unknown>) =>
    async (...args: unknown[]) => {
      const startMs = clock.monotonic();
      figures.registryOperationCount.inc({ type });
      try {
        return await call.apply(store, args);
      } catch (error) {
        figures.registryOperationFailedCount.inc({ type });
        throw error;
      } finally {
        figures.registryOperationDuration.observe((clock.monotonic() - startMs) / 1000, { type });
      }
    };
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      const type = OPERATIONS[name as keyof Store];
      return type ? meter(type, member) : member.bind(target);
    },
  });
}
