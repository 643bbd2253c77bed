import type { Clock, Random } from '../../../lib/index.ts';
import type { LogWriter } from '../journal/index.ts';
import type { Fifos, ProcessGroups } from '../process/index.ts';
import type { ActiveState } from './states.ts';
import type { UnitMemory } from './unit-memory.ts';

/** What a unit needs of the supervisor around it. */
export interface UnitHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly fifos: Fifos;
  readonly groups: ProcessGroups;
  /** Paths to NOTIFY_SOCKETs; asking for one begins to listen there. */
  notifySocket(unit: string): string;
  writerOf(unit: string): LogWriter;
  /** A line of the supervisor's own in the unit's log. */
  say(unit: string, text: string): void;
  /** The unit went over to another state. */
  changed(unit: string, before: ActiveState): void;
  /** Asks for the automatic restart of a unit. */
  restart(unit: string): void;
  /** Writes the memory to disk before the next turn of the event loop… */
  save(memory: UnitMemory): void;
  /** …or before it returns. */
  saveNow(memory: UnitMemory): void;
}
