import type { UnitEntry } from './entries.ts';
import { type Fact, type Filter, SOLO, type Trial } from './filter.ts';
import { conflicts } from './filters/conflicts.ts';
import { machineId } from './filters/machine-id.ts';
import { machineOf } from './filters/machine-of.ts';
import { metadata } from './filters/metadata.ts';
import { presence } from './filters/presence.ts';
import { replaces } from './filters/replaces.ts';

/** All filters, in the order in which their reasons are worth telling. */
export const FILTERS = { presence, machineId, metadata, machineOf, conflicts, replaces } satisfies Record<
  string,
  Filter
>;

export type FilterName = keyof typeof FILTERS;

const LIST: readonly Filter[] = Object.values(FILTERS);

/** Returns the first reason that any filter has; undefined when the unit can be there. */
export function reasonAgainst(unit: UnitEntry, trial: Trial): string | undefined {
  for (const filter of LIST) {
    const reason = filter.reason(unit, trial);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Returns the key of the unit's pending class; undefined for a unit that filters can tell from all others. */
export function classKey(unit: UnitEntry): string | undefined {
  let whole = '';
  for (const filter of LIST) {
    const key = filter.key(unit);
    if (key === SOLO) return undefined;
    whole += `${key ?? ''}\0`;
  }
  return whole;
}

/** Returns true when the fact can let the unit have a machine that it could not have before. */
export function isWokenBy(unit: UnitEntry, fact: Fact): boolean {
  for (const filter of LIST) if (filter.wakes.includes(fact) && filter.key(unit) !== undefined) return true;
  return false;
}
