import type { Snapshot } from '../cluster/index.ts';
import { FlotillaError } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import { shortMachine } from './narrate.ts';
import { placementsOf } from './present.ts';
import { noSuchUnit } from './unit-handlers.ts';

/** A machine that is to hold a unit; `machine` is absent when it has gone and the leader has not decided anew yet. */
export interface Holder {
  readonly id: string;
  readonly machine: Machine | undefined;
}

/**
 * The machines that hold a unit, by id; only the one that `wanted` (a full id or a unique prefix of one) names, when
 * given. Throws `not-found` for an unknown unit and a machine that does not hold it.
 */
export function holdersOf(snapshot: Snapshot, unit: string, wanted: string | undefined): Holder[] {
  if (!snapshot.units.has(unit)) throw noSuchUnit();
  const holders = placementsOf(snapshot, unit).map(({ machine: id }) => ({ id, machine: snapshot.machines.get(id) }));
  if (wanted === undefined || wanted === '') return holders;
  const matching = holders.filter(({ id }) => id.startsWith(wanted));
  const exact = matching.find(({ id }) => id === wanted) ?? (matching.length === 1 ? matching[0] : undefined);
  if (exact !== undefined) return [exact];
  const found = matching.length === 0 ? `unit ${unit} is not on machine ${wanted}` : `machine ${wanted} is ambiguous`;
  throw new FlotillaError(matching.length === 0 ? 'not-found' : 'invalid', `${found}: ${whereIs(holders)}`);
}

/** `it is on 85c0c595.../172.17.8.102 and …`. */
export function whereIs(holders: readonly Holder[]): string {
  if (holders.length === 0) return 'it is on no machine';
  return `it is on ${holders.map(({ id, machine }) => shortMachine(id, machine?.address)).join(' and ')}`;
}
