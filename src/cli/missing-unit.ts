import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { cliUnitName } from '../unitfile/index.ts';
import { nearest } from './nearest.ts';

/** Returns advice for an argument that is neither a file nor one of the cluster's units, `known`. */
export function explainMissing(arg: string, known: readonly string[]): string {
  const name = cliUnitName(arg);
  if (isDirectory(arg)) return `${arg} is a directory; name the unit files in it, as in ${arg.replace(/\/$/, '')}/*`;
  if (basename(arg) !== name && existsSync(arg)) {
    return `the file ${arg} is no unit file by its name, which must end in .service, .timer, .socket or the like`;
  }
  const folder = dirname(arg);
  if (!isDirectory(folder)) return `there is no directory ${folder}`;
  const near = nearestUnit(arg, [...new Set([...known, ...unitFilesIn(folder)])]);
  if (near !== undefined) return `did you mean ${near}?`;
  const file = arg.includes('/') ? `there is no file ${arg}; ` : '';
  return `${file}name a unit file, or a unit that fleetctl list-unit-files shows`;
}

/** Finds the unit with a similar name; the suffix, which most names share, counts only if it is the mistyped part. */
function nearestUnit(arg: string, units: readonly string[]): string | undefined {
  const name = cliUnitName(arg);
  const base = basename(arg);
  if (base !== name && base.includes('.')) return nearest(base, units);
  const type = name.slice(name.lastIndexOf('.'));
  const stems = units.filter((unit) => unit.endsWith(type)).map((unit) => unit.slice(0, -type.length));
  const near = nearest(name.slice(0, -type.length), stems);
  return near === undefined ? undefined : `${near}${type}`;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function unitFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => cliUnitName(file) === file);
  } catch {
    // An unreadable directory has no suggestions.
    return [];
  }
}
