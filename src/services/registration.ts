import type { Registration, ServiceInstance } from '../model/index.ts';

export type { CheckDefinition, Probe, Registration } from '../model/index.ts';

/** What one registration of a third party may weigh: far less than the store takes in one commit. */
export const MAX_REGISTRATION_BYTES = 64 * 1024;

/** Something on this machine that knows of services: units, containers, third parties. */
export interface ServiceSource {
  readonly name: ServiceInstance['source'];
  /** The whole current state as soon as it is known, and again after changes. Never deltas. */
  states(signal: AbortSignal): AsyncIterable<readonly Registration[]>;
}
