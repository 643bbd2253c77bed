export { type EtcdStoreOptions, openEtcdStore } from './etcd-store.ts';
export type { TlsOptions } from './grpc/index.ts';
export * from './store.ts';
