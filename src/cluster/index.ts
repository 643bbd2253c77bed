export * from './cluster.ts';
export { LeasedRecords } from './leased-records.ts';
export { type ClusterOptions, openCluster } from './open-cluster.ts';
export type * from './snapshot.ts';
