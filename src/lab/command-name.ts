import { existsSync } from 'node:fs';
import path from 'node:path';
import type { LabIo } from './lab-io.ts';

const ROOT: string = path.resolve(import.meta.dirname, import.meta.filename.endsWith('.cjs') ? '..' : '../..');

/** What a person has to type here to run fleetctl. */
export function commandName(env: LabIo['env']): string {
  const folders = (env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  return folders.some((folder) => existsSync(path.join(folder, 'fleetctl'))) ? 'fleetctl' : ownFile('bin/fleetctl');
}

/** A file of this installation as it is named from the current directory, where that is shorter. */
export function ownFile(name: string): string {
  const file = path.join(ROOT, name);
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative;
}
