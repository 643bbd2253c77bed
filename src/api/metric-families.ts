/** One figure of GET /metrics. */
export interface MetricFamily {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** A sentence without its full stop, for the HELP line and for docs/reference/metrics.md. */
  readonly help: string;
  readonly labels?: readonly string[];
}

/** Every figure of fleetd by name. fleet's own names stay as they are, odd endings included; durations are in seconds. */
export const METRIC_FAMILIES = {
  fleet_units: { kind: 'gauge', help: 'Units of this machine by their ACTIVE state', labels: ['active'] },
  fleet_machines: { kind: 'gauge', help: 'Machines of the cluster, as this one sees it' },
  fleet_services: { kind: 'gauge', help: 'Services by the health of their best instance', labels: ['health'] },
  fleet_service_instances: { kind: 'gauge', help: 'Instances of services by health', labels: ['health'] },
  fleet_engine_leader_start_time: {
    kind: 'gauge',
    help: 'Seconds since 1970 since when this machine leads; 0 while it does not',
  },
  fleet_engine_task_count_total: { kind: 'counter', help: 'Placements that the leader decided', labels: ['type'] },
  fleet_engine_task_failure_count_total: {
    kind: 'counter',
    help: 'Placements that the store refused',
    labels: ['type'],
  },
  fleet_engine_reconcile_count_total: { kind: 'counter', help: 'Rounds of the leader' },
  fleet_engine_reconcile_duration_second: { kind: 'histogram', help: 'Time that a round of the leader takes' },
  fleet_engine_reconcile_failure_count_total: { kind: 'counter', help: 'Rounds of the leader that failed' },
  fleet_registry_operation_count_total: {
    kind: 'counter',
    help: 'Requests to the store: get and set',
    labels: ['type'],
  },
  fleet_registry_operation_failed_count_total: {
    kind: 'counter',
    help: 'Requests to the store that failed',
    labels: ['type'],
  },
  fleet_registry_operation_duration_second: {
    kind: 'histogram',
    help: 'Time that a request to the store takes',
    labels: ['type'],
  },
  fleet_api_request_count_total: { kind: 'counter', help: 'Requests to the API', labels: ['method', 'code'] },
  fleet_api_request_duration_second: { kind: 'histogram', help: 'Time until the API responds to a request' },
  fleet_api_event_streams: { kind: 'gauge', help: 'Event streams that are open' },
  fleet_api_journal_streams: { kind: 'gauge', help: 'Journals that are being streamed' },
  fleet_api_unread_bytes: { kind: 'gauge', help: 'Bytes of whole responses that clients have not read yet' },
  process_start_time_seconds: { kind: 'gauge', help: 'Start of fleetd in seconds since 1970' },
  process_cpu_seconds_total: { kind: 'counter', help: 'CPU time of fleetd, user and system' },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Resident memory of fleetd' },
  process_open_fds: { kind: 'gauge', help: 'Open file descriptors of fleetd' },
  nodejs_heap_size_used_bytes: { kind: 'gauge', help: "JavaScript's heap in use" },
  nodejs_heap_size_total_bytes: { kind: 'gauge', help: "JavaScript's heap, reserved" },
  nodejs_external_memory_bytes: { kind: 'gauge', help: "Memory outside JavaScript's heap: buffers" },
} as const satisfies Record<string, MetricFamily>;

/** Names of the figures of one kind. */
export type MetricName<K extends MetricFamily['kind'] = MetricFamily['kind']> = {
  [N in keyof typeof METRIC_FAMILIES]: (typeof METRIC_FAMILIES)[N]['kind'] extends K ? N : never;
}[keyof typeof METRIC_FAMILIES];
