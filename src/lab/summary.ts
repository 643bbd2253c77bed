import { existsSync } from 'node:fs';
import path from 'node:path';
import type { LabIo } from './lab-io.ts';
import { count } from './power.ts';
import { type LabStatus, printStatus } from './status.ts';

const ROOT: string = path.resolve(import.meta.dirname, import.meta.filename.endsWith('.cjs') ? '..' : '../..');

/** The lab's machines and what to try next. */
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
      `  ${fleetctl} start ${shorten(path.join(ROOT, 'examples/hello.service'))}`,
      `  ${fleetctl} list-units`,
      `  ${fleetctl} journal -f hello.service`,
      `  ${fleetctl} lab kill ${victim}`,
      '',
      detached ? `Stop it with: ${fleetctl} lab down` : 'Ctrl-C stops the lab.',
      '',
    ].join('\n'),
  );
}

/** What a person has to type here to run fleetctl. */
function commandName(env: LabIo['env']): string {
  const onPath = (env['PATH'] ?? '')
    .split(':')
    .some((folder) => folder !== '' && existsSync(path.join(folder, 'fleetctl')));
  return onPath ? 'fleetctl' : shorten(path.join(ROOT, 'bin/fleetctl'));
}

/** The path as seen from here, where that is shorter. */
function shorten(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative;
}
