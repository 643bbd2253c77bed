import type { Moment, Snapshot } from '../cluster/index.ts';
import type { Machine } from '../model/index.ts';
import { narrate } from './narrate.ts';
import { Past } from './past.ts';
import type { ApiHappened } from './shapes/index.ts';

/** What happened at these moments, in their order; see Past. */
export function tellMoments(
  moments: readonly Moment[],
  snapshot: Snapshot,
  gone?: ReadonlyMap<string, Machine>,
): ApiHappened[][] {
  const past = new Past(moments, snapshot, gone);
  return moments.map(({ revision, changes, atMs, approximate }, at) => {
    const circumstances = {
      machine: (id: string) => past.lastKnown(id, at),
      reason: (unit: string, machine: string, status: 'reported' | 'gone') =>
        reasonOf(past, { unit, machine, status, at }),
    };
    return changes.flatMap((change) => {
      const told = isReal(change) ? narrate(change, circumstances) : undefined;
      if (told === undefined) return [];
      const time = { ...(atMs === undefined ? {} : { atMs }), ...(approximate ? { approximate } : {}) };
      return [{ type: 'happened' as const, revision, ...time, ...told }];
    });
  });
}

/** A view that had to be read anew reports everything as changed. */
export function isReal({ before, after }: { readonly before?: unknown; readonly after?: unknown }): boolean {
  return before === undefined || after === undefined || JSON.stringify(before) !== JSON.stringify(after);
}

interface Where {
  readonly unit: string;
  readonly machine: string;
  readonly status: 'reported' | 'gone';
  readonly at: number;
}

function reasonOf(past: Past, { unit, machine, status, at }: Where): string | undefined {
  if (status === 'gone' && past.machine(machine, at) === undefined) {
    return past.lastKnown(machine, at)?.leaving ? 'the machine left the cluster' : 'the machine is gone';
  }
  const wanted = past.unit(unit, at);
  if (wanted === undefined) return 'stopped by its destruction';
  if (wanted.desired !== 'launched') return `stopped by its desired state, ${wanted.desired}`;
  if (past.placement(unit, machine, at) === undefined) return 'stopped by the leader, which took it off this machine';
  return past.lastKnown(machine, at)?.leaving ? 'stopped by its machine, which leaves the cluster' : undefined;
}
