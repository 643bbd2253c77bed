export type * from '../api/schema.ts';
export type { EventsOptions, FleetClientOptions, JournalOptions } from './client.ts';
export { FleetClient } from './client.ts';
export type { Endpoint } from './endpoint.ts';
export { endpointText, parseEndpoint } from './endpoint.ts';
export type { TlsFiles } from './transport.ts';
