import type { Placement } from '../model/index.ts';
import type { LoadedUnit } from '../runtime/index.ts';

/** One thing to do to one unit of this machine. Steps may be repeated without harm. */
export type Step =
  | { readonly kind: 'stop' | 'unload' | 'start'; readonly unit: string; readonly reason: string }
  | { readonly kind: 'load'; readonly unit: string; readonly hash: string; readonly reason: string };

export interface PlanInput {
  /** What the leader wants here, by unit. */
  readonly placements: ReadonlyMap<string, Placement>;
  /** What the runtime holds, by unit. */
  readonly actual: ReadonlyMap<string, LoadedUnit>;
  /** Units this machine could not load or start, with the hash it tried: not tried now unless the file changes. */
  readonly refused: ReadonlyMap<string, string>;
  /** True while the lease may end elsewhere before the next keep-alive: units with OnPartition=stop must not run. */
  readonly cutOff: boolean;
}

const ORDER: readonly Step['kind'][] = ['stop', 'unload', 'load', 'start'];

/**
 * What has to be done so that the machine holds what the leader placed: all stops, then unloads, loads and starts, by
 * name within each (dependencies among units are the runtime's to order). No step when all is as it should be.
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
  // A unit may take its time to stop; the new file waits for that, and no other unit has to.
  if (held && !isOver(held)) return steps;
  steps.push({ kind: 'load', unit, hash: placement.hash, reason: placement.reason });
  if (wanted === 'launched') steps.push({ kind: 'start', unit, reason: 'to be launched' });
  return steps;
}

/**
 * A unit that has run once is loaded and left alone. One that is over is told to stop, so that the runtime knows it as not
 * launched: when its user starts it again, it is started.
 */
function afterRun({ unit, hash, reason }: Placement, held: LoadedUnit | undefined): Step[] {
  const stop: Step = { kind: 'stop', unit, reason: 'it has run once' };
  if (held?.hash === hash) return held.launched && isOver(held) ? [stop] : [];
  if (held && !isOver(held)) return takeAway(held, 'its file has changed');
  return [...(held ? takeAway(held, 'its file has changed') : []), { kind: 'load', unit, hash, reason }];
}

/** A unit that runs is told to stop first, and unloaded once that is over: the rest of the machine does not wait for it. */
function takeAway(held: LoadedUnit, reason: string): Step[] {
  if (isOver(held)) return [{ kind: 'unload', unit: held.name, reason }];
  return held.state.active === 'deactivating' ? [] : [{ kind: 'stop', unit: held.name, reason }];
}

/** Nothing of it runs, nor is about to. */
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
