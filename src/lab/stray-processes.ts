import { rowOf } from '../lib/index.ts';
import { killProcess } from './daemon-process.ts';
import { allProcesses, argumentsOf, type ProcessIdentity, signalProcess } from './process-identity.ts';

/** The flag that names a process's directory, by role of fleetd. */
const OF_A_LAB: Readonly<Record<string, RegExp>> = {
  '--data-dir': /^\/store$/,
  '--config': /^\/m\d+\/fleet\.conf$/,
  '--dir': /^\/m\d+\/state\/(supervisor|router)$/,
};

/**
 * Finds the daemons that were started for this lab directory, or for its part `under`, and their descendants, whether
 * or not lab.json names them. Finds those as well whose directory has been deleted.
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

/** Kills them at once, and processes that one of them has started meanwhile as a replacement. Returns their number. */
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

/** True when a flag of fleetd is followed by one of the lab's paths. */
function belongsTo(lab: string, under: string, args: readonly string[]): boolean {
  return args.some((path, index) => {
    const pattern = rowOf(OF_A_LAB, args[index - 1]);
    return pattern !== undefined && path.startsWith(`${under}/`) && pattern.test(path.slice(lab.length));
  });
}
