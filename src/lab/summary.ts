import { commandName, ownFile } from './command-name.ts';
import type { LabIo } from './lab-io.ts';
import { count } from './power.ts';
import { type LabStatus, printStatus } from './status.ts';

/** Prints the lab's machines and what to try next. */
export function printSummary(status: LabStatus, tookMs: number, detached: boolean, io: LabIo): void {
  const up = status.machines.filter((machine) => machine.state === 'up').length;
  io.out(`\nThe lab is up: ${count(up, 'machine')}, after ${(tookMs / 1000).toFixed(1)} s\n\n`);
  printStatus(status, io);
  const fleetctl = commandName(io.env);
  const victim = status.machines.find((machine) => machine.state === 'up')?.number ?? 1;
  io.out(
    [
      '',
      detached ? 'Try next:' : 'Try next, in another terminal:',
      `  ${fleetctl} list-machines`,
      `  ${fleetctl} start ${ownFile('examples/hello.service')}`,
      `  ${fleetctl} list-units`,
      `  ${fleetctl} journal -f hello.service`,
      `  ${fleetctl} lab kill ${victim}`,
      '',
      detached ? `Stop it with: ${fleetctl} lab down` : 'Ctrl-C stops the lab.',
      '',
    ].join('\n'),
  );
}
