import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { systemClock } from '../lib/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import type { Catalog } from '../services/index.ts';
import { observeCluster } from './cluster-metrics.ts';
import { fleetMetrics } from './fleet-metrics.ts';
import { Metrics } from './metrics.ts';
import { ask, openTestApi } from './test-api.ts';

test('counters, gauges and histograms read as Prometheus text', () => {
  const metrics = new Metrics();
  metrics.counter('b_total', 'Things.').inc({ type: 'a "quoted" \\ one\n' }, 2);
  metrics.gauge('a', 'A level.').set(1.5);
  const histogram = metrics.histogram('c', 'A duration.', [1, 2]);
  for (const value of [0.5, 1, 1.5, 5]) histogram.observe(value, { type: 'x' });
  metrics.observed('d', 'Nobody knows.', () => undefined);
  assert.equal(
    metrics.text(),
    `# HELP a A level.
# TYPE a gauge
a 1.5
# HELP b_total Things.
# TYPE b_total counter
b_total{type="a \\"quoted\\" \\\\ one\\n"} 2
# HELP c A duration.
# TYPE c histogram
c_bucket{type="x",le="1"} 2
c_bucket{type="x",le="2"} 3
c_bucket{type="x",le="+Inf"} 4
c_sum{type="x"} 8
c_count{type="x"} 4
# HELP d Nobody knows.
# TYPE d gauge
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

test('every figure of fleetd is documented', async () => {
  const api = await openTestApi();
  try {
    const { text } = await ask(`${api.url}/metrics`);
    const documented = readFileSync(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');
    for (const [, name] of text.matchAll(/^# TYPE (\S+) /gm)) assert.ok(documented.includes(`\`${name}\``), name);
  } finally {
    await api.close();
  }
});
