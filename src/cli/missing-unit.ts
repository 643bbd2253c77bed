import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { cliUnitName } from '../unitfile/index.ts';
import { nearest } from './nearest.ts';

/** What to do when an argument is neither a file nor a unit of the cluster, whose names are `known`. */
export function explainMissing(arg: string, known: readonly string[]): string {
  const name = cliUnitName(arg);
  if (isDirectory(arg)) return `${arg} is a directory; name the unit files in it, as in ${arg.replace(/\/$/, '')}/*`;
  if (basename(arg) !== name && existsSync(arg)) {
    return `the file ${arg} is no unit file by its name, which must end in .service, .timer, .socket or the like`;
  }
  const folder = dirname(arg);
  if (!isDirectory(folder)) return `there is no directory ${folder}`;
  const near = nearest(name, [...new Set([...known, ...unitFilesIn(folder)])]);
  if (near !== undefined) return `did you mean ${near}?`;
  return 'name a unit file, or a unit that fleetctl list-unit-files shows';
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function unitFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => cliUnitName(file) === file);
  } catch {
    // A directory that may not be read suggests nothing.
    return [];
  }
}
