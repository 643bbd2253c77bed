import { existsSync } from 'node:fs';
import path from 'node:path';
import type { LabIo } from './lab-io.ts';

const ROOT: string = path.resolve(import.meta.dirname, import.meta.filename.endsWith('.cjs') ? '..' : '../..');

/** Returns the command by which the user runs fleetctl here. */
export function commandName(env: LabIo['env']): string {
  const folders = (env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  return folders.some((folder) => existsSync(path.join(folder, 'fleetctl'))) ? 'fleetctl' : ownFile('bin/fleetctl');
}

/** Returns the path of a file of this installation, relative to the current directory where that is shorter. */
export function ownFile(name: string): string {
  const file = path.join(ROOT, name);
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative;
}
