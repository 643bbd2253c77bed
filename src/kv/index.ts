export type * from './kv.ts';
export { type KvOptions, openKv } from './open-kv.ts';
