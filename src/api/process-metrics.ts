import { readdirSync } from 'node:fs';
import type { Clock } from '../lib/index.ts';
import type { Metrics } from './metrics.ts';

/** Adds what Prometheus users expect of any process, and what they look at first in one that runs on Node. */
export function observeProcess(metrics: Metrics, clock: Clock): void {
  const startSeconds = clock.now() / 1000 - process.uptime();
  const cpuSeconds = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  metrics.observed('process_start_time_seconds', () => startSeconds);
  metrics.observed('process_cpu_seconds_total', cpuSeconds);
  metrics.observed('process_resident_memory_bytes', () => process.memoryUsage.rss());
  metrics.observed('process_open_fds', openFiles);
  metrics.observed('nodejs_heap_size_used_bytes', () => process.memoryUsage().heapUsed);
  metrics.observed('nodejs_heap_size_total_bytes', () => process.memoryUsage().heapTotal);
  metrics.observed('nodejs_external_memory_bytes', () => process.memoryUsage().external);
}

function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}
