export * from './channel.ts';
export type { CallHeaders, ClientStream, StreamEvents, TlsOptions } from './connection.ts';
export * from './server.ts';
export { GrpcError, STATUS } from './status.ts';
