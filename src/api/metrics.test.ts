import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetMetrics } from './fleet-metrics.ts';
import { Metrics } from './metrics.ts';

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
