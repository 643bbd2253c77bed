import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { FlotillaError } from '../lib/index.ts';
import { commandName } from './command-name.ts';
import type { LabIo } from './lab-io.ts';

/**
 * Throws FlotillaError `usage` when root would change another user's lab, since that user could not change root's files
 * any more. The sentence contains the command to use.
 */
export function assertOwnLab(lab: string, args: readonly string[], env: LabIo['env']): void {
  const uid = statSync(lab, { throwIfNoEntry: false })?.uid ?? 0;
  if (process.getuid!() !== 0 || uid === 0) return;
  const user = userName(uid);
  const place = env['FLOTILLA_LAB'] ? [`FLOTILLA_LAB=${env['FLOTILLA_LAB']}`] : [];
  const command = ['sudo', '-u', user, ...place, commandName(env), 'lab', ...args].map(quoted).join(' ');
  throw new FlotillaError('usage', `the lab in ${lab} belongs to ${user}, not to root: ${command}`);
}

/** Users may come from other sources than /etc/passwd. sudo accepts a number behind `#`. */
function userName(uid: number): string {
  return spawnSync('id', ['-nu', String(uid)], { encoding: 'utf8' }).stdout?.trim() || `#${uid}`;
}

/** Quotes the word for a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
