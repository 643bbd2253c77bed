import { type ActiveState, isActiveOrActivating } from './states.ts';
import type { UnitGraph } from './unit-graph.ts';
import type { JobType } from './unit-memory.ts';

export interface TransactionView {
  readonly graph: UnitGraph;
  /** The state of a unit held here. */
  active(name: string): ActiveState;
}

/**
 * The jobs that one wish comes to: what the unit pulls in, what it drives out, what falls with it. Pure. Throws a
 * RangeError when the wish contradicts itself.
 */
export function planTransaction(name: string, type: JobType, view: TransactionView): ReadonlyMap<string, JobType> {
  const jobs = new Map<string, JobType>();
  if (type === 'reload') jobs.set(name, 'reload');
  else if (type === 'stop') addStop(name, jobs, view);
  else addStart(name, type, jobs, view);
  return jobs;
}

function addStart(name: string, type: 'start' | 'restart', jobs: Map<string, JobType>, view: TransactionView): void {
  const required = new Set<string>();
  collectRequired(name, required, view);
  const stops = new Map<string, JobType>();
  for (const unit of required) {
    for (const other of conflicting(unit, view)) {
      if (required.has(other)) throw new RangeError(`${unit} conflicts with ${other}, which is needed for ${name}`);
      addStop(other, stops, view);
    }
  }
  const wanted = new Set<string>();
  for (const unit of required) for (const other of view.graph.of(unit, 'Wants')) collectWanted(other, wanted, view);
  for (const [unit, job] of stops) jobs.set(unit, job);
  // Who is merely wanted gives way to who is required not to run.
  for (const unit of [...required, ...wanted]) if (!jobs.has(unit)) jobs.set(unit, 'start');
  if (type === 'restart') addRestart(name, jobs, view);
}

function collectRequired(name: string, into: Set<string>, view: TransactionView): void {
  if (into.has(name)) return;
  into.add(name);
  for (const other of view.graph.of(name, 'Requires', 'BindsTo')) collectRequired(other, into, view);
}

function collectWanted(name: string, into: Set<string>, view: TransactionView): void {
  if (into.has(name) || conflicting(name, view).some((other) => isActiveOrActivating(view.active(other)))) return;
  into.add(name);
  for (const other of view.graph.of(name, 'Requires', 'BindsTo', 'Wants')) collectWanted(other, into, view);
}

/** Conflicts works in both directions. */
function conflicting(name: string, view: TransactionView): readonly string[] {
  return [...view.graph.of(name, 'Conflicts'), ...view.graph.whoNames(name, 'Conflicts')];
}

function addStop(name: string, jobs: Map<string, JobType>, view: TransactionView): void {
  if (jobs.get(name) === 'stop') return;
  jobs.set(name, 'stop');
  for (const other of view.graph.whoNames(name, 'Requires', 'Requisite', 'BindsTo', 'PartOf'))
    addStop(other, jobs, view);
}

/** Who depends on a unit is restarted with it, if it runs. */
function addRestart(name: string, jobs: Map<string, JobType>, view: TransactionView): void {
  jobs.set(name, 'restart');
  for (const other of view.graph.whoNames(name, 'Requires', 'Requisite', 'BindsTo', 'PartOf')) {
    if (jobs.get(other) !== 'restart' && isActiveOrActivating(view.active(other))) addRestart(other, jobs, view);
  }
}
