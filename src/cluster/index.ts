export type * from './cluster.ts';
export { type ClusterOptions, openCluster } from './open-cluster.ts';
export type * from './snapshot.ts';
