export { expandVariables } from '../model/index.ts';
export * from './catalog.ts';
export type { CheckResult, RunProbe } from './check-result.ts';
export { ExternalNodes } from './external-nodes.ts';
export { type ApiRegistration, LocalServices } from './local-services.ts';
export { openCatalog } from './open-catalog.ts';
export { runProbe } from './probes/index.ts';
export type * from './registration.ts';
export { type PublisherPresence, ServicePublisher } from './service-publisher.ts';
