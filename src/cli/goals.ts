import type { ApiPlacement, ApiState, ApiUnitService, ApiUnitSummary } from '../client/index.ts';
import { machineLegend } from './legend.ts';

/** The state that a command waits for. */
export interface Goal {
  readonly state: ApiState;
  /** Hash of the file that must run; absent: any. */
  readonly hash?: string;
  /** The number of the last start before the order; the outcome of that start says nothing about the next. */
  readonly before?: number | undefined;
  /** True to ask every machine of the unit; nothing is printed then. */
  readonly global?: boolean;
}

/** The observations of one unit since the wait for it began. */
export interface Memory {
  /** True when the unit was seen as ordered, so that a later difference is another client's doing. */
  ordered: boolean;
  /** True when a restart after a failure was reported. */
  restarting: boolean;
}

/**
 * A unit's progress. `reached`: it has the ordered state; done when `ready`, or when nothing else is heard of it for
 * `holdMs`. `unwell`: it runs and waits for these services. `placed`: a machine has been chosen.
 */
export type Verdict =
  | { readonly kind: 'waiting'; readonly placed: boolean }
  | {
      readonly kind: 'reached';
      readonly line?: string;
      readonly ready: boolean;
      readonly holdMs?: number;
      readonly unwell?: readonly ApiUnitService[];
    }
  | { readonly kind: 'failed'; readonly because: string; readonly line?: string; readonly machineID?: string };

export function newMemory(): Memory {
  return { ordered: false, restarting: false };
}

/** Returns the number of the start that a unit's status describes, if known. */
export function startOf(unit: ApiUnitSummary | undefined): number | undefined {
  return unit?.placements[0]?.status?.start;
}

/** Judges a unit by its goal; updates `memory`. */
export function judge(name: string, goal: Goal, unit: ApiUnitSummary | null, memory: Memory): Verdict {
  const asOrdered = unit !== null && unit.desiredState === goal.state && (!goal.hash || unit.hash === goal.hash);
  if (!asOrdered) {
    if (!memory.ordered) return { kind: 'waiting', placed: false };
    if (unit === null) return judgeGone(name);
    const because = `was changed by somebody else (it shall be ${unit.desiredState})`;
    return { kind: 'failed', because: `unit ${name} ${because} while this command waited for it` };
  }
  memory.ordered = true;
  if (goal.global) return judgeEverywhere(goal.state, unit);
  return goal.state === 'inactive' ? judgeInactive(name, unit) : judgePlaced(goal, goal.state, unit, memory);
}

/** Returns the verdict on a unit that does not exist any more. */
export function judgeGone(name: string): Extract<Verdict, { kind: 'failed' }> {
  return { kind: 'failed', because: `unit ${name} was destroyed while this command waited for it` };
}

function judgeEverywhere(state: ApiState, unit: ApiUnitSummary): Verdict {
  const there = unit.placements.every(({ status }) => {
    return (
      status?.state === state && (state === 'launched' || status.active === 'inactive' || status.active === 'failed')
    );
  });
  return there ? { kind: 'reached', ready: true } : { kind: 'waiting', placed: true };
}

function judgeInactive(name: string, unit: ApiUnitSummary): Verdict {
  if (unit.currentState !== 'inactive' || unit.placements.length > 0) return { kind: 'waiting', placed: true };
  return { kind: 'reached', line: `Unit ${name} inactive`, ready: true };
}

function judgePlaced(goal: Goal, state: 'loaded' | 'launched', unit: ApiUnitSummary, memory: Memory): Verdict {
  const placement = unit.placements[0];
  if (!placement) return { kind: 'waiting', placed: false };
  const { status } = placement;
  if (!status || status.hash !== unit.hash) return { kind: 'waiting', placed: true };
  const where = machineLegend({ id: placement.machineID, address: placement.address });
  if (status.load === 'error' || status.load === 'not-found' || status.load === 'bad-setting') {
    const because = `unit ${unit.name} could not be loaded on ${where} (load state ${status.load})${noteOf(status)}`;
    return { kind: 'failed', because, machineID: placement.machineID };
  }
  if (state === 'launched' && status.state === 'loaded' && status.note) {
    const because = `unit ${unit.name} could not be started on ${where}${noteOf(status)}`;
    return { kind: 'failed', because, machineID: placement.machineID };
  }
  // A unit with RunOnce=true that has run is loaded again, which may be the only visible trace of its start.
  const hasRun = unit.ran !== undefined && status.start !== undefined && status.start !== goal.before;
  if (state === 'launched' && status.state === 'loaded' && hasRun)
    return { kind: 'reached', line: `Unit ${unit.name} ${state} on ${where}`, ready: true };
  if (status.state !== state) return { kind: 'waiting', placed: true };
  const isOver = status.active === 'failed' || status.active === 'inactive';
  if (state === 'launched' && isOver && goal.before !== undefined && status.start === goal.before)
    return { kind: 'waiting', placed: true };
  const line = `Unit ${unit.name} ${state} on ${where}`;
  if (state === 'loaded') return judgeLoaded(line, status.active);
  if (status.active === 'failed') {
    const because = `unit ${unit.name} failed on ${where}${noteOf(status)}`;
    return { kind: 'failed', because, line, machineID: placement.machineID };
  }
  return judgeLaunched(line, { ...placement, status }, memory);
}

type Started = ApiPlacement & { readonly status: NonNullable<ApiPlacement['status']> };

function judgeLaunched(line: string, { status, services = [] }: Started, memory: Memory): Verdict {
  if (status.active === 'active') {
    const unwell = services.filter(({ health }) => health === undefined || health === 'critical');
    if (unwell.length > 0) return { kind: 'reached', line, ready: false, unwell };
    return { kind: 'reached', line, ready: false, holdMs: ACTIVE_HOLD_MS };
  }
  if (status.sub === 'auto-restart') memory.restarting = true;
  // A machine reports a unit as launched when its start job is over or visible; an inactive one has run and ended.
  return { kind: 'reached', line, ready: status.active === 'inactive' };
}

function judgeLoaded(line: string, active: string): Verdict {
  const stopped = active === 'inactive' || active === 'failed';
  // A loaded unit may run, started by a socket or a dependency; while it is being stopped it is not done.
  return { kind: 'reached', line, ready: stopped, ...(active === 'active' ? { holdMs: LOADED_HOLD_MS } : {}) };
}

// A unit of Type=simple is active from the fork on; a program that cannot be executed fails within this time.
const ACTIVE_HOLD_MS = 30;
// A stopped unit that a socket or a dependency keeps running stays active for longer than this.
const LOADED_HOLD_MS = 400;

/** The values of `fleetctl wait --for`. */
export const CONDITIONS = ['active', 'loaded', 'inactive', 'gone'] as const;
export type WaitCondition = (typeof CONDITIONS)[number];

/** True when the unit meets the condition now, on all its machines; null is a unit that does not exist. */
export function meets(condition: WaitCondition, unit: ApiUnitSummary | null): boolean {
  if (condition === 'gone' || unit === null) return condition === 'gone' && unit === null;
  const statuses = unit.placements.map((placement) => placement.status);
  if (condition === 'inactive') {
    // A unit that is to run and has no status yet is about to start; its end must not be reported.
    if (unit.desiredState === 'launched' && statuses.length === 0) return false;
    const begins = unit.desiredState === 'launched' ? [] : [undefined];
    return statuses.every((status) => [...begins, 'inactive', 'failed'].includes(status?.active));
  }
  if (statuses.length === 0) return false;
  if (condition === 'active') return statuses.every((status) => status?.active === 'active');
  return statuses.every((status) => status?.load === 'loaded');
}

function noteOf(status: { readonly note?: string }): string {
  return status.note ? `: ${status.note}` : '';
}
