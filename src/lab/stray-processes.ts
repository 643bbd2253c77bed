import { allProcesses, argumentsOf, type ProcessIdentity } from './process-identity.ts';

/** How fleetd in each of its roles is told where it lives. */
const OF_A_LAB: Readonly<Record<string, RegExp>> = {
  '--data-dir': /^\/store$/,
  '--config': /^\/m\d+\/fleet\.conf$/,
  '--dir': /^\/m\d+\/state\/(supervisor|router)$/,
};

/**
 * The daemons that were started for this lab directory, whether or not lab.json knows of them, and everything they have
 * started. Also finds those whose directory has been deleted under them.
 */
export function strayProcesses(lab: string): ProcessIdentity[] {
  const running = allProcesses();
  const found = new Set(running.filter(({ pid }) => belongsTo(lab, argumentsOf(pid))).map(({ pid }) => pid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of running) if (found.has(parent)) found.add(pid);
  }
  return running.filter(({ pid }) => found.has(pid) && pid !== process.pid);
}

/** True when a flag of fleetd is followed by one of the lab's own paths. */
function belongsTo(lab: string, args: readonly string[]): boolean {
  return args.some((path, index) => {
    const pattern = OF_A_LAB[args[index - 1] ?? ''];
    return pattern !== undefined && path.startsWith(`${lab}/`) && pattern.test(path.slice(lab.length));
  });
}
