import type { Registration, ServiceInstance } from '../model/index.ts';

export type { CheckDefinition, Probe, Registration } from '../model/index.ts';

/** What one registration of a third party may weigh: far less than the store takes in one commit. */
export const MAX_REGISTRATION_BYTES = 64 * 1024;

/** The id of an instance or a check is part of a key in the store. */
const MAX_ID_BYTES = 512;

/** Why the catalog has no room for a registration or a check; undefined when it has. */
export function flawOf(said: { readonly id: string }): string | undefined {
  if (Buffer.byteLength(said.id) > MAX_ID_BYTES) return `an id may have ${MAX_ID_BYTES} bytes at most`;
  const bytes = Buffer.byteLength(JSON.stringify(said));
  return bytes > MAX_REGISTRATION_BYTES ? `a registration may have ${MAX_REGISTRATION_BYTES} bytes at most` : undefined;
}

/** Something on this machine that knows of services: units, containers, third parties. */
export interface ServiceSource {
  readonly name: ServiceInstance['source'];
  /** The whole current state as soon as it is known, and again after changes. Never deltas. */
  states(signal: AbortSignal): AsyncIterable<readonly Registration[]>;
}
