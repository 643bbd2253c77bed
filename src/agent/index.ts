export { Agent, type AgentOptions } from './agent.ts';
export type { Draining } from './draining-units.ts';
export { type LeaseMemory, Presence, type PresenceOptions, type PresenceState } from './presence.ts';
export { guardAtMs, type PromiseMemory, type StopPromise } from './stop-promise.ts';
