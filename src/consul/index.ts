export { type ConsulOptions, type ConsulServer, serveConsul } from './consul-server.ts';
export type { ConsulParts } from './exchange.ts';
export { SessionKeeper } from './session-keeper.ts';
