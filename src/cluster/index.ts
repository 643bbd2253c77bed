export * from './cluster.ts';
export type { History } from './history.ts';
export { LeasedRecords } from './leased-records.ts';
export { dated, type Moment, momentsOf } from './moments.ts';
export { type ClusterOptions, openCluster } from './open-cluster.ts';
export type * from './snapshot.ts';
