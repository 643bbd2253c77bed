import type { UnitExit, UnitStatus } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';
import type { Refusal } from './refusals.ts';

/** Returns the statuses of this machine's units, by unit. */
export function currentStatuses(
  machine: string,
  held: Iterable<LoadedUnit>,
  refusals: ReadonlyMap<string, Refusal>,
  starts: ReadonlyMap<string, number>,
): Map<string, UnitStatus> {
  const statuses = new Map<string, UnitStatus>();
  for (const unit of held) {
    const note = refusals.get(unit.name);
    const start = starts.get(unit.name);
    // Until its start job is done, a unit may still show how it ended before: report it as not launched yet.
    const waiting = unit.starting && (unit.state.active === 'inactive' || unit.state.active === 'failed');
    statuses.set(unit.name, {
      machine,
      unit: unit.name,
      hash: unit.hash,
      state: unit.launched && !waiting ? 'launched' : 'loaded',
      ...unit.state,
      ...(note ? { note: note.message } : {}),
      ...(start === undefined ? {} : { start }),
    });
  }
  for (const [unit, { hash, step, message }] of refusals) {
    if (step !== 'load') continue;
    const state = { load: 'error', active: 'inactive', sub: 'dead' };
    statuses.set(unit, { machine, unit, hash, state: 'loaded', ...state, note: message });
  }
  return statuses;
}

/** Returns true when both say the same. A fleetd that has just started knows no `start`, so its absence is no difference. */
export function sameStatus(published: UnitStatus, current: UnitStatus): boolean {
  const [a, b] = [published, current];
  return (
    (b.start === undefined || a.start === b.start) &&
    a.hash === b.hash &&
    a.state === b.state &&
    a.load === b.load &&
    a.active === b.active &&
    a.sub === b.sub &&
    a.note === b.note &&
    sameExit(a.exit, b.exit)
  );
}

function sameExit(a: UnitExit | undefined, b: UnitExit | undefined): boolean {
  return a?.result === b?.result && a?.status === b?.status && a?.signal === b?.signal;
}
