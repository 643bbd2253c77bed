import type { Machine, Placement, Unit } from '../model/index.ts';
import { type Schedule, Scheduler, type Suitability } from './scheduler.ts';

export type { Decision } from './decision-list.ts';
export { type Schedule, Scheduler, type Suitability } from './scheduler.ts';

/** A cluster at one moment, as far as scheduling reads it. */
export interface ScheduleView {
  readonly units: ReadonlyMap<string, Unit>;
  /** Present machines by id, metadata overrides merged in. */
  readonly machines: ReadonlyMap<string, Machine>;
  /** By unit name, then by machine id. */
  readonly placements: ReadonlyMap<string, ReadonlyMap<string, Placement>>;
  /** Absent machines that are given time to come back: units placed on them stay. */
  readonly awaited?: ReadonlySet<string>;
}

/** Returns the decisions that a new leader makes of the view. */
export function scheduleOnce(view: ScheduleView): Schedule {
  return schedulerOf(view).schedule();
}

/** Returns for every machine of the view whether it could have the unit, and else why not. */
export function explain(view: ScheduleView, unit: string): Suitability[] {
  return schedulerOf(view).explain(unit);
}

/** Returns a scheduler that was fed with the view. */
export function schedulerOf(view: ScheduleView): Scheduler {
  const scheduler = new Scheduler();
  for (const [id, machine] of view.machines) scheduler.setMachine(id, machine);
  for (const id of view.awaited ?? []) scheduler.awaitMachine(id);
  for (const [name, unit] of view.units) scheduler.setUnit(name, unit);
  for (const [unit, byMachine] of view.placements) {
    for (const [machine, placement] of byMachine) scheduler.setPlacement(unit, machine, placement);
  }
  return scheduler;
}
