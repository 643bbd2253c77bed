import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../lib/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import type { Catalog } from '../services/index.ts';
import { observeCluster } from './cluster-metrics.ts';
import { fleetMetrics } from './fleet-metrics.ts';
import { METRIC_FAMILIES } from './metric-families.ts';
import { Metrics } from './metrics.ts';
import { ask, openTestApi } from './test-api.ts';

test('counters, gauges and histograms read as Prometheus text', () => {
  const metrics = new Metrics();
  metrics.counter('fleet_engine_task_count_total').inc({ type: 'a "quoted" \\ one\n' }, 2);
  metrics.gauge('fleet_engine_leader_start_time').set(1.5);
  const histogram = metrics.histogram('fleet_registry_operation_duration_second', [1, 2]);
  for (const value of [0.5, 1, 1.5, 5]) histogram.observe(value, { type: 'x' });
  metrics.observed('process_open_fds', () => undefined);
  assert.equal(
    metrics.text(),
    `# HELP fleet_engine_leader_start_time Seconds since 1970 since when this machine leads; 0 while it does not.
# TYPE fleet_engine_leader_start_time gauge
fleet_engine_leader_start_time 1.5
# HELP fleet_engine_task_count_total Placements that the leader decided.
# TYPE fleet_engine_task_count_total counter
fleet_engine_task_count_total{type="a \\"quoted\\" \\\\ one\\n"} 2
# HELP fleet_registry_operation_duration_second Time that a request to the store takes.
# TYPE fleet_registry_operation_duration_second histogram
fleet_registry_operation_duration_second_bucket{type="x",le="1"} 2
fleet_registry_operation_duration_second_bucket{type="x",le="2"} 3
fleet_registry_operation_duration_second_bucket{type="x",le="+Inf"} 4
fleet_registry_operation_duration_second_sum{type="x"} 8
fleet_registry_operation_duration_second_count{type="x"} 4
# HELP process_open_fds Open file descriptors of fleetd.
# TYPE process_open_fds gauge
`,
  );
});

test('asking for a figure again gives the same figure', () => {
  const metrics = new Metrics();
  fleetMetrics(metrics).taskCount.inc({ type: 'AttemptScheduleUnit' });
  fleetMetrics(metrics).taskCount.inc({ type: 'AttemptScheduleUnit' });
  assert.match(metrics.text(), /^fleet_engine_task_count_total\{type="AttemptScheduleUnit"\} 2$/m);
});

test('figures that were never touched are shown as 0', () => {
  const metrics = new Metrics();
  fleetMetrics(metrics);
  assert.match(metrics.text(), /^fleet_engine_leader_start_time 0$/m);
  assert.match(metrics.text(), /^fleet_registry_operation_count_total 0$/m);
});

test('units, machines and services are counted when somebody asks, and only then', async () => {
  const metrics = new Metrics();
  let asked = 0;
  const state = { load: 'loaded', sub: 'x' };
  const unit = (active: string) => ({
    name: 'a',
    hash: 'h',
    launched: true,
    starting: false,
    state: { ...state, active },
  });
  const units = async () => {
    asked++;
    return [unit('active'), unit('active'), unit('failed')];
  };
  const instance = (status: string) => ({ checks: [{ status }] });
  const services = new Map([
    ['web', [instance('passing'), instance('critical')]],
    ['db', [instance('critical')]],
  ]);
  const nodes = new Map([
    ['1', { kind: 'machine' }],
    ['2', { kind: 'machine' }],
    ['external:x', { kind: 'external' }],
  ]);
  const runtime = { units } as unknown as UnitRuntime;
  const catalog = { snapshot: { services, nodes } } as unknown as Catalog;
  const count = observeCluster({ metrics, runtime, catalog, clock: systemClock });
  assert.equal(asked, 0);
  await count();
  const text = metrics.text();
  assert.match(text, /^fleet_units\{active="active"\} 2$/m);
  assert.match(text, /^fleet_units\{active="failed"\} 1$/m);
  assert.match(text, /^fleet_units\{active="inactive"\} 0$/m);
  assert.match(text, /^fleet_machines 2$/m);
  assert.match(text, /^fleet_service_instances\{health="critical"\} 2$/m);
  assert.match(text, /^fleet_services\{health="passing"\} 1$/m);
  assert.match(text, /^fleet_services\{health="critical"\} 1$/m);
  assert.equal(asked, 1);
});

test('the API shows every figure of the table, and no other', async () => {
  const api = await openTestApi();
  try {
    const { text } = await ask(`${api.url}/metrics`);
    const shown = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
    assert.deepEqual(shown, Object.keys(METRIC_FAMILIES).sort());
  } finally {
    await api.close();
  }
});
