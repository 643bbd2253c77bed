import type { Placement } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';

/** One thing to do to one unit of this machine. Steps may be repeated without harm. */
export type Step =
  | { readonly kind: 'stop' | 'unload' | 'start'; readonly unit: string; readonly reason: string }
  | { readonly kind: 'load'; readonly unit: string; readonly hash: string; readonly reason: string };

export interface PlanInput {
  /** The placements on this machine, by unit. */
  readonly placements: ReadonlyMap<string, Placement>;
  /** The units that the runtime holds, by name. */
  readonly actual: ReadonlyMap<string, LoadedUnit>;
  /** Refused units with the hash that was tried: not tried now unless the file changes. */
  readonly refused: ReadonlyMap<string, string>;
  /** True while the lease may end elsewhere before the next keep-alive: units with OnPartition=stop must not run. */
  readonly cutOff: boolean;
}

const ORDER: readonly Step['kind'][] = ['stop', 'unload', 'load', 'start'];

/**
 * Returns the steps by which the machine comes to hold the units placed on it: all stops, then unloads, loads and starts,
 * each by name (the runtime orders units by their dependencies). No steps when nothing differs.
 */
export function planSteps(input: PlanInput): Step[] {
  const names = new Set([...input.placements.keys(), ...input.actual.keys()]);
  const steps = [...names].sort().flatMap((name) => stepsFor(name, input));
  return ORDER.flatMap((kind) => steps.filter((step) => step.kind === kind));
}

function stepsFor(unit: string, { placements, actual, refused, cutOff }: PlanInput): Step[] {
  const placement = placements.get(unit);
  const held = actual.get(unit);
  if (!placement) return held ? takeAway(held, 'no longer placed on this machine') : [];
  if (refused.get(unit) === placement.hash) return [];

  if (placement.once === 'done') return afterRun(placement, held);
  const wanted = cutOff && placement.onPartition === 'stop' ? 'loaded' : placement.desired;
  if (held?.hash === placement.hash) return changeState(unit, held, wanted, placement);
  const steps: Step[] = held ? takeAway(held, 'its file has changed') : [];
  // A unit may take long to stop: its new file waits for that, and no other unit does.
  if (held && !isOver(held)) return steps;
  steps.push({ kind: 'load', unit, hash: placement.hash, reason: placement.reason });
  if (wanted === 'launched') steps.push({ kind: 'start', unit, reason: 'to be launched' });
  return steps;
}

/**
 * Returns the steps for a unit that has run once: it is only loaded. When it has ended it is told to stop, so that the
 * runtime no longer holds it as launched, and starts it when its user asks again.
 */
function afterRun({ unit, hash, reason }: Placement, held: LoadedUnit | undefined): Step[] {
  const stop: Step = { kind: 'stop', unit, reason: 'it has run once' };
  if (held?.hash === hash) return held.launched && isOver(held) ? [stop] : [];
  if (held && !isOver(held)) return takeAway(held, 'its file has changed');
  return [...(held ? takeAway(held, 'its file has changed') : []), { kind: 'load', unit, hash, reason }];
}

/** Returns the step to remove a unit: stop it while it runs, and unload it in a later plan, so that others need not wait. */
function takeAway(held: LoadedUnit, reason: string): Step[] {
  if (isOver(held)) return [{ kind: 'unload', unit: held.name, reason }];
  return held.state.active === 'deactivating' ? [] : [{ kind: 'stop', unit: held.name, reason }];
}

/** Returns true when none of the unit's processes run or are about to. */
function isOver({ state, starting }: LoadedUnit): boolean {
  return !starting && (state.active === 'inactive' || state.active === 'failed');
}

function changeState(unit: string, held: LoadedUnit, wanted: Placement['desired'], placement: Placement): Step[] {
  if (wanted === 'launched' && !held.launched) return [{ kind: 'start', unit, reason: 'to be launched' }];
  if (wanted === 'loaded' && held.launched) {
    const reason = placement.desired === 'loaded' ? 'to be loaded only' : 'this machine is cut off from the store';
    return [{ kind: 'stop', unit, reason }];
  }
  return [];
}
