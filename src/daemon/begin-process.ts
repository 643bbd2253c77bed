/**
 * The first step of each of our processes: sets its name and takes the signals that must not end it. Imported before
 * all else, since until then a signal has its default effect in the kernel or in Node.
 */
import { writeFileSync } from 'node:fs';

/** Names as ps, top and systemd show them; the kernel keeps 15 characters. `pidof fleetd` finds the daemon alone. */
const NAMES: Readonly<Record<string, string>> = {
  store: 'fleetd-store',
  supervisor: 'fleetd-units',
  router: 'fleetd-router',
};

/**
 * `systemctl kill` signals every process of the service, so that each must survive signals meant for another. Without a
 * listener SIGUSR1 makes Node open its inspector, through which any user of this computer could run code as this one;
 * flags of Node prevent that until the listener is there (see bin/fleetd).
 */
const HARMLESS: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'];

function begin(role: string): void {
  for (const signal of HARMLESS) process.on(signal, () => {});
  if (/--inspect/.test(process.env['NODE_OPTIONS'] ?? '')) {
    const risk = 'through which any user of this computer could run code as the user of fleetd';
    process.stderr.write(`fleetd: NODE_OPTIONS opens the inspector of Node, ${risk}: take --inspect out of it\n`);
    process.exit(1);
  }
  try {
    // Not process.title, which also overwrites the arguments, by which a lab finds its processes.
    writeFileSync('/proc/self/comm', NAMES[role] ?? 'fleetd');
  } catch {
    // Without /proc no program could read the name either.
  }
}

begin(process.argv[2] ?? '');
