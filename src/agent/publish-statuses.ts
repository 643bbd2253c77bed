import type { UnitStatus } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';

/** Why a unit that is placed here could not be loaded or started. */
export interface Refusal {
  readonly hash: string;
  readonly step: 'load' | 'start';
  readonly message: string;
}

/** What this machine has to say of its units, by unit. */
export function currentStatuses(
  machine: string,
  held: Iterable<LoadedUnit>,
  refusals: ReadonlyMap<string, Refusal>,
): Map<string, UnitStatus> {
  const statuses = new Map<string, UnitStatus>();
  for (const unit of held) {
    const note = refusals.get(unit.name);
    // Until its start job is over, a unit that is still inactive has not been launched in anybody's eyes.
    const waiting = unit.starting && unit.state.active === 'inactive';
    statuses.set(unit.name, {
      machine,
      unit: unit.name,
      hash: unit.hash,
      state: unit.launched && !waiting ? 'launched' : 'loaded',
      ...unit.state,
      ...(note ? { note: note.message } : {}),
    });
  }
  for (const [unit, { hash, step, message }] of refusals) {
    if (step !== 'load') continue;
    const state = { load: 'error', active: 'inactive', sub: 'dead' };
    statuses.set(unit, { machine, unit, hash, state: 'loaded', ...state, note: message });
  }
  return statuses;
}

/** What must be written (undefined: removed) to turn `published` into `current`. */
export function statusChanges(
  published: ReadonlyMap<string, UnitStatus>,
  current: ReadonlyMap<string, UnitStatus>,
): Map<string, UnitStatus | undefined> {
  const changes = new Map<string, UnitStatus | undefined>();
  for (const [unit, status] of current) if (!sameStatus(published.get(unit), status)) changes.set(unit, status);
  for (const unit of published.keys()) if (!current.has(unit)) changes.set(unit, undefined);
  return changes;
}

function sameStatus(a: UnitStatus | undefined, b: UnitStatus): boolean {
  return (
    a !== undefined &&
    a.hash === b.hash &&
    a.state === b.state &&
    a.load === b.load &&
    a.active === b.active &&
    a.sub === b.sub &&
    a.note === b.note
  );
}
