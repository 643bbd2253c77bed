import type { Registration, ServiceInstance } from '../model/index.ts';

export type { CheckDefinition, Probe, Registration } from '../model/index.ts';

/** The most bytes of one registration: far less than the store takes in one commit. */
export const MAX_REGISTRATION_BYTES = 64 * 1024;

/** The most bytes of the id of an instance or a check, which is part of a key in the store. */
const MAX_ID_BYTES = 512;

/** Returns why the catalog has no room for a registration or a check; undefined when it has. */
export function flawOf(said: { readonly id: string }): string | undefined {
  if (Buffer.byteLength(said.id) > MAX_ID_BYTES) return `an id may have ${MAX_ID_BYTES} bytes at most`;
  const bytes = Buffer.byteLength(JSON.stringify(said));
  return bytes > MAX_REGISTRATION_BYTES ? `a registration may have ${MAX_REGISTRATION_BYTES} bytes at most` : undefined;
}

/** A source of service instances on this machine, such as its units or its containers. */
export interface ServiceSource {
  readonly name: ServiceInstance['source'];
  /** Yields the whole current state as soon as it is known, and again after changes; never deltas. */
  states(signal: AbortSignal): AsyncIterable<readonly Registration[]>;
}
