import type { Counter, Gauge, Histogram, Metrics } from './metrics.ts';

/** The figures fleet has always shown; engine and store feed them. Durations are in seconds. */
export interface FleetMetrics {
  /** Seconds since 1970 since when this machine leads; 0 while it does not. */
  readonly leaderStartTime: Gauge;
  /** Label `type`: what was done, e.g. `AttemptScheduleUnit`. */
  readonly taskCount: Counter;
  readonly taskFailureCount: Counter;
  readonly reconcileCount: Counter;
  readonly reconcileDuration: Histogram;
  readonly reconcileFailureCount: Counter;
  /** Label `type`: `get`, `set`, …. */
  readonly registryOperationCount: Counter;
  readonly registryOperationFailedCount: Counter;
  readonly registryOperationDuration: Histogram;
}

/** fleet's figures in `metrics`, made the first time. */
export function fleetMetrics(metrics: Metrics): FleetMetrics {
  return {
    leaderStartTime: metrics.gauge('fleet_engine_leader_start_time'),
    taskCount: metrics.counter('fleet_engine_task_count_total'),
    taskFailureCount: metrics.counter('fleet_engine_task_failure_count_total'),
    reconcileCount: metrics.counter('fleet_engine_reconcile_count_total'),
    reconcileDuration: metrics.histogram('fleet_engine_reconcile_duration_second'),
    reconcileFailureCount: metrics.counter('fleet_engine_reconcile_failure_count_total'),
    registryOperationCount: metrics.counter('fleet_registry_operation_count_total'),
    registryOperationFailedCount: metrics.counter('fleet_registry_operation_failed_count_total'),
    registryOperationDuration: metrics.histogram('fleet_registry_operation_duration_second'),
  };
}
