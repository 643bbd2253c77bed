export type * from './cluster.ts';
export type * from './snapshot.ts';
