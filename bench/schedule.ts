/**
 * schedule() alone, on a simulated cluster: how long a whole schedule takes, and one more change on top of it.
 * `npm run bench -- schedule [--quick]`.
 */

import { explain, Scheduler, type ScheduleView } from '../src/engine/index.ts';
import { systemClock as clock } from '../src/lib/index.ts';
import { type Machine, type Needs, NO_NEEDS, type Placement, type Unit } from '../src/model/index.ts';
import { type Figure, printFigures } from './figures.ts';

const UNITS = 50_000;
const MACHINES = 2000;

export async function benchSchedule(quick: boolean): Promise<void> {
  const runs = quick ? 3 : 10;
  const view = { units: makeUnits(), machines: makeMachines(), placements: new Map<string, Map<string, Placement>>() };
  const touch: number[] = [];
  const whole: number[] = [];
  const settled: number[] = [];
  const oneUnit: number[] = [];
  const oneDeath: number[] = [];
  const why: number[] = [];
  for (let run = 0; run < runs; run++) {
    touch.push(timed(() => touchAll(view)));
    const scheduler = new Scheduler();
    whole.push(timed(() => feedAndSchedule(scheduler, view)));
    for (let i = 0; i < 20; i++) oneUnit.push(addOne(scheduler, `one-more@${i}.service`));
    for (const id of [...view.machines.keys()].slice(0, 20)) oneDeath.push(killOne(scheduler, id));
  }
  const placed = { ...view, placements: placementsOf(view) };
  for (let run = 0; run < runs; run++) {
    settled.push(timed(() => feedAndSchedule(new Scheduler(), placed)));
    why.push(timed(() => explain(placed, 'web7@107.service')));
  }
  const floor = { name: 'touching every unit once', samples: touch };
  const asked = 'median < 20';
  printFigures(`schedule() of ${UNITS} units on ${MACHINES} machines`, [
    { name: 'all of it from nothing', unit: 'ms', samples: whole, target: 'median < 2000', floor },
    { name: 'a new leader, everything placed', unit: 'ms', samples: settled, floor },
    { name: 'one more unit', unit: 'ms', samples: oneUnit, target: asked, floor },
    { name: 'one dead machine', unit: 'ms', samples: oneDeath, target: asked, floor },
    { name: 'why, from nothing but the view', unit: 'ms', samples: why, floor },
  ] satisfies Figure[]);
}

function timed(work: () => unknown): number {
  const startMs = clock.monotonic();
  work();
  return clock.monotonic() - startMs;
}

/** The least that deciding on every unit could take: looking at each and writing down one thing about it. */
function touchAll(view: ScheduleView): Map<string, string> {
  const seen = new Map<string, string>();
  for (const unit of view.units.values()) seen.set(unit.name, unit.hash);
  return seen;
}

function feedAndSchedule(scheduler: Scheduler, view: ScheduleView): void {
  for (const [id, machine] of view.machines) scheduler.setMachine(id, machine);
  for (const [name, unit] of view.units) scheduler.setUnit(name, unit);
  for (const [unit, byMachine] of view.placements) {
    for (const [machine, placement] of byMachine) scheduler.setPlacement(unit, machine, placement);
  }
  const { decisions, pending } = scheduler.schedule();
  const expected = view.placements.size > 0 ? 0 : UNITS;
  if (decisions.length !== expected || pending.length > 0) throw new Error(`${decisions.length} decisions`);
}

function addOne(scheduler: Scheduler, name: string): number {
  const needs = { ...NO_NEEDS, conflicts: ['one-more@*.service'], metadata: { rack: ['rack7'] } };
  return timed(() => {
    scheduler.setUnit(name, { name, hash: 'h', desired: 'launched', needs });
    if (scheduler.schedule().decisions.length !== 1) throw new Error('one more unit takes one decision');
  });
}

function killOne(scheduler: Scheduler, id: string): number {
  return timed(() => {
    scheduler.setMachine(id, undefined);
    if (scheduler.schedule().decisions.length === 0) throw new Error('a dead machine takes decisions');
  });
}

function placementsOf(view: ScheduleView): Map<string, Map<string, Placement>> {
  const placements = new Map<string, Map<string, Placement>>();
  const scheduler = new Scheduler();
  for (const [id, machine] of view.machines) scheduler.setMachine(id, machine);
  for (const [name, unit] of view.units) scheduler.setUnit(name, unit);
  for (const { unit, writes } of scheduler.schedule().decisions) {
    for (const write of writes) if ('put' in write) placements.set(unit, new Map([[write.put.machine, write.put]]));
  }
  return placements;
}

function makeMachines(): Map<string, Machine> {
  const machines = new Map<string, Machine>();
  for (let i = 0; i < MACHINES; i++) {
    const id = ((i * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0').repeat(4);
    const metadata = { region: ['eu', 'us', 'ap'][i % 3]!, rack: `rack${i % 40}` };
    machines.set(id, {
      id,
      address: '127.0.0.1',
      metadata,
      resources: { cores: 4, memoryBytes: 2 ** 33 },
      version: '1',
    });
  }
  return machines;
}

/** A fifth each: plain units, instances kept apart, units bound to a region, their followers, and bound to a rack. */
function makeUnits(): Map<string, Unit> {
  const units = new Map<string, Unit>();
  const add = (name: string, needs: Partial<Needs>) =>
    units.set(name, { name, hash: 'h', desired: 'launched', needs: { ...NO_NEEDS, ...needs } });
  for (let i = 0; i < UNITS / 5; i++) {
    add(`plain${i}.service`, {});
    add(`web${i % 100}@${i}.service`, { conflicts: [`web${i % 100}@*.service`] });
    add(`db${i}.service`, { metadata: { region: [['eu', 'us', 'ap'][i % 3]!] } });
    add(`side${i}.service`, { machineOf: [`db${i}.service`] });
    add(`job${i}.service`, { metadata: { rack: [`rack${i % 40}`, `rack${(i + 1) % 40}`] } });
  }
  return units;
}
