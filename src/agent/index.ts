export { Agent, type AgentOptions } from './agent.ts';
export type { Draining } from './draining-units.ts';
export { type LeaseMemory, Presence, type PresenceOptions, type PresenceState } from './presence.ts';
export { UnitServices } from './unit-services.ts';
