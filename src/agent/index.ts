export { Agent, type AgentOptions } from './agent.ts';
export { type LeaseMemory, Presence, type PresenceOptions, type PresenceState } from './presence.ts';
