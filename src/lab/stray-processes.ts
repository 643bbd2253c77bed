import { rowOf } from '../lib/index.ts';
import { killProcess } from './daemon-process.ts';
import { allProcesses, argumentsOf, type ProcessIdentity, signalProcess } from './process-identity.ts';

/** How fleetd in each of its roles is told where it lives. */
const OF_A_LAB: Readonly<Record<string, RegExp>> = {
  '--data-dir': /^\/store$/,
  '--config': /^\/m\d+\/fleet\.conf$/,
  '--dir': /^\/m\d+\/state\/(supervisor|router)$/,
};

/**
 * The daemons that were started for this lab directory, or for what is `under` a part of it, whether or not lab.json knows
 * of them, and everything they have started. Also finds those whose directory has been deleted under them.
 */
export function strayProcesses(lab: string, under: string = lab): ProcessIdentity[] {
  const running = allProcesses();
  const found = new Set(running.filter(({ pid }) => belongsTo(lab, under, argumentsOf(pid))).map(({ pid }) => pid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of running) if (found.has(parent)) found.add(pid);
  }
  return running.filter(({ pid }) => found.has(pid) && pid !== process.pid);
}

/** Ends them all at once, and whatever one of them has started meanwhile in the place of another. Answers how many those were. */
export async function killStrays(lab: string, under: string = lab): Promise<number> {
  let count = 0;
  for (;;) {
    const strays = strayProcesses(lab, under);
    if (strays.length === 0) return count;
    for (const stray of strays) signalProcess(stray, 'SIGKILL');
    for (const stray of strays) await killProcess(stray);
    count += strays.length;
  }
}

/** True when a flag of fleetd is followed by one of the lab's own paths. */
function belongsTo(lab: string, under: string, args: readonly string[]): boolean {
  return args.some((path, index) => {
    const pattern = rowOf(OF_A_LAB, args[index - 1]);
    return pattern !== undefined && path.startsWith(`${under}/`) && pattern.test(path.slice(lab.length));
  });
}
