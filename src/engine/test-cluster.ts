import { type Machine, type Needs, NO_NEEDS, type Placement, type Unit } from '../model/index.ts';
import { type Decision, type Schedule, Scheduler, type ScheduleView, schedulerOf } from './schedule-once.ts';

/** For tests: a cluster in memory whose changes also reach a scheduler, as a view's would. */
export class TestCluster implements ScheduleView {
  readonly units = new Map<string, Unit>();
  readonly machines = new Map<string, Machine>();
  readonly placements = new Map<string, Map<string, Placement>>();
  readonly awaited = new Set<string>();
  scheduler = new Scheduler();

  /** Sets a unit; its hash changes with what it asks for, as that of a unit file does. */
  unit(name: string, needs: Partial<Needs> = {}, desired: Unit['desired'] = 'launched'): void {
    const full = { ...NO_NEEDS, ...needs };
    this.set({ name, hash: JSON.stringify(full), desired, needs: full });
  }

  set(unit: Unit): void {
    this.units.set(unit.name, unit);
    this.scheduler.setUnit(unit.name, unit);
  }

  /** Records that the unit ended with success on the machine. */
  ran(name: string, machine: string): void {
    const unit = { ...this.units.get(name)!, ran: { machine, atMs: 1 } };
    this.units.set(name, unit);
    this.scheduler.setUnit(name, unit);
  }

  destroy(name: string): void {
    this.units.delete(name);
    this.scheduler.setUnit(name, undefined);
  }

  machine(id: string, metadata: Machine['metadata'] = {}, record: Partial<Machine> = {}): void {
    const machine = {
      id,
      address: '127.0.0.1',
      metadata,
      resources: { cores: 1, memoryBytes: 2 ** 30 },
      version: '1',
      ...record,
    };
    this.awaited.delete(id);
    this.machines.set(id, machine);
    this.scheduler.setMachine(id, machine);
  }

  kill(id: string): void {
    this.awaited.delete(id);
    this.machines.delete(id);
    this.scheduler.setMachine(id, undefined);
  }

  miss(id: string): void {
    this.awaited.add(id);
    this.machines.delete(id);
    this.scheduler.awaitMachine(id);
  }

  place(unit: string, machine: string): void {
    const { hash, desired } = this.units.get(unit)!;
    const placement = {
      unit,
      machine,
      hash,
      desired: desired === 'inactive' ? ('loaded' as const) : desired,
      reason: '',
    };
    this.write({ put: placement });
    this.scheduler.setPlacement(unit, machine, placement);
  }

  /** Schedules and commits everything. */
  run(): Schedule {
    for (const _ of this.scheduler.prepare());
    const result = this.scheduler.schedule();
    for (const decision of result.decisions) this.commit(decision);
    return result;
  }

  commit(decision: Decision): void {
    for (const write of decision.writes) {
      this.write(write);
      // The leader's view reports the leader's own writes to the scheduler too.
      if ('put' in write) this.scheduler.setPlacement(write.put.unit, write.put.machine, write.put);
      else this.scheduler.setPlacement(write.remove.unit, write.remove.machine, undefined);
    }
  }

  write(write: Decision['writes'][number]): void {
    if ('put' in write) {
      const { unit, machine } = write.put;
      this.placements.set(unit, (this.placements.get(unit) ?? new Map()).set(machine, write.put));
    } else {
      const { unit, machine } = write.remove;
      this.placements.get(unit)?.delete(machine);
    }
  }

  /** Replaces the scheduler by that of a new leader, which knows only the view. */
  elect(): void {
    this.scheduler = schedulerOf(this);
  }

  /** Returns the machine ids of each unit, both sorted. */
  where(): Record<string, string> {
    const entries = [...this.placements].filter(([, byMachine]) => byMachine.size > 0);
    return Object.fromEntries(
      entries.map(([unit, byMachine]) => [unit, [...byMachine.keys()].sort().join(' ')]).sort(),
    );
  }
}
