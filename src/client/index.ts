export type * from '../api/shapes/index.ts';
export { FleetClient } from './client.ts';
export type { Endpoint } from './endpoint.ts';
export { endpointText, parseEndpoint } from './endpoint.ts';
export { labDirectory } from './lab-directory.ts';
