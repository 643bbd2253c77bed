import type { Machine, Placement, Unit } from '../model/index.ts';
import { type Schedule, Scheduler, type Suitability } from './scheduler.ts';

export type { Decision } from './decision-list.ts';
export { type Schedule, Scheduler, type Suitability } from './scheduler.ts';

/** What there is to decide on. */
export interface ScheduleView {
  readonly units: ReadonlyMap<string, Unit>;
  /** Machines that are there, metadata overrides merged in. */
  readonly machines: ReadonlyMap<string, Machine>;
  /** By unit name, then by machine id. */
  readonly placements: ReadonlyMap<string, ReadonlyMap<string, Placement>>;
  /** Machines that are not there and are given time to come back: what is placed on them stays. */
  readonly awaited?: ReadonlySet<string>;
}

/** Decides from nothing but the view. */
export function scheduleOnce(view: ScheduleView): Schedule {
  return schedulerOf(view).schedule();
}

/** For every machine of the view whether it could take the unit, and why not. */
export function explain(view: ScheduleView, unit: string): Suitability[] {
  return schedulerOf(view).explain(unit);
}

/** A scheduler that knows the view. */
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
