import { homedir } from 'node:os';
import path from 'node:path';

/** The directory of this user's lab: FLOTILLA_LAB, else `flotilla/lab` in the user's state directory. */
export function labDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const state = env['XDG_STATE_HOME'] || path.join(env['HOME'] || homedir(), '.local', 'state');
  return path.resolve(env['FLOTILLA_LAB'] || path.join(state, 'flotilla', 'lab'));
}
