/**
 * The first thing that every process of ours does: takes its name and the signals that must not end it. Imported before all
 * else, since a signal that comes earlier has the kernel's or Node's own effect.
 */
import { writeFileSync } from 'node:fs';

/** What ps, top and systemd show; the kernel keeps 15 characters. `pidof fleetd` finds the daemon alone. */
const NAMES: Readonly<Record<string, string>> = {
  store: 'fleetd-store',
  supervisor: 'fleetd-units',
  router: 'fleetd-router',
};

/**
 * `systemctl kill` reaches every process of the service, so each has to stand what is meant for one of them. SIGUSR1 without
 * a listener makes Node open its inspector, through which any user of this computer runs code as this one: flags of Node see
 * to it that none opens before we listen (see bin/fleetd).
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
    // Not process.title, which overwrites the arguments too: by them a lab finds what it has started.
    writeFileSync('/proc/self/comm', NAMES[role] ?? 'fleetd');
  } catch {
    // Without /proc there is nobody to read the name either.
  }
}

begin(process.argv[2] ?? '');
