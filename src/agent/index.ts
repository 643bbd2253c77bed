export { Agent, type AgentOptions } from './agent.ts';
export { type PlanInput, planSteps, type Step } from './plan-steps.ts';
export { type LeaseMemory, Presence, type PresenceOptions, type PresenceState } from './presence.ts';
