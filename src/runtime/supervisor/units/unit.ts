import type { UnitSpec } from '../spec/index.ts';
import type { ServiceProcesses } from './service-processes.ts';
import type { ActiveState } from './states.ts';
import type { UnitMemory } from './unit-memory.ts';

/** `later`: not in this state, ask again when it has changed. `refused`: too often; the unit has failed. */
export type StartAnswer = 'started' | 'already' | 'later' | 'refused';
export type StopAnswer = 'stopping' | 'already';

/** A unit held by the supervisor. Whatever it is told shows as a change of state. */
export interface SupervisedUnit {
  readonly spec: UnitSpec;
  readonly memory: UnitMemory;
  readonly active: ActiveState;
  readonly processes?: ServiceProcesses;
  start(): StartAnswer;
  stop(): StopAnswer;
  /** Begins a reload, or goes on with one; false when the unit is not up. */
  reload(): boolean;
  notify(fields: ReadonlyMap<string, string>): void;
  resume(): void;
  dispose(): void;
}
