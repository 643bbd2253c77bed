export type { Access, Authorize, Visit } from './access.ts';
export { type Api, createApi } from './api.ts';
export type { ApiOptions } from './api-parts.ts';
export { type FleetMetrics, fleetMetrics } from './fleet-metrics.ts';
export { type Counter, type Gauge, type Histogram, Metrics } from './metrics.ts';
export { type Listener, type ServedApi, serveApi } from './serve-api.ts';
export type * from './shapes/index.ts';
