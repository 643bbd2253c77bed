import { globSync, readFileSync } from 'node:fs';
import { messageOf } from '../../../lib/index.ts';
import { findUser, SEARCH_PATH } from '../process/index.ts';
import { type ExecContext, type ProcessExit, parseEnvironmentFile, signalName } from '../spec/index.ts';
import type { UnitMemory } from './unit-memory.ts';

/** What stands for no home and no shell in /etc/passwd: get_user_creds() of systemd leaves them out of the environment. */
const NO_HOMES: ReadonlySet<string> = new Set(['/', '/nonexistent']);
const NO_SHELL = /^(?:\/usr)?\/(?:s?bin\/nologin|bin\/(?:false|true))$/;

/**
 * The environment of a unit's process, built from nothing as systemd does: what it sets for everybody, the unit's
 * user, the run, then Environment= and the environment files. Throws when a file that must be there is not.
 */
export function environmentOf(
  context: ExecContext,
  memory: UnitMemory,
  extra: Readonly<Record<string, string>>,
): Record<string, string> {
  const environment: Record<string, string> = { PATH: SEARCH_PATH, INVOCATION_ID: memory.invocationId };
  const user = context.user === undefined ? undefined : findUser(context.user);
  if (user !== undefined) {
    Object.assign(environment, { LOGNAME: user.name, USER: user.name });
    if (!NO_HOMES.has(user.home)) environment['HOME'] = user.home;
    if (!NO_SHELL.test(user.shell)) environment['SHELL'] = user.shell;
  }
  Object.assign(environment, extra);
  for (const [name, value] of context.environment) environment[name] = value;
  for (const file of context.environmentFiles) Object.assign(environment, readEnvironmentFile(file));
  for (const word of context.unsetEnvironment) unset(environment, word);
  return environment;
}

function readEnvironmentFile(file: { readonly path: string; readonly optional: boolean }): Record<string, string> {
  try {
    const paths = /[*?[]/.test(file.path) ? globSync(file.path).sort() : [file.path];
    if (paths.length === 0) throw new Error('No such file or directory');
    return Object.fromEntries(paths.flatMap((path) => parseEnvironmentFile(readFileSync(path, 'utf8'))));
  } catch (error) {
    if (file.optional) return {};
    throw new Error(`Failed to load environment file ${file.path}: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'No such file or directory' : messageOf(error);
}

function unset(environment: Record<string, string>, word: string): void {
  const equals = word.indexOf('=');
  const name = equals === -1 ? word : word.slice(0, equals);
  if (equals === -1 || environment[name] === word.slice(equals + 1)) delete environment[name];
}

/** What ExecStop= and ExecStopPost= learn of how the service ended. */
export function exitVariables(memory: UnitMemory): Readonly<Record<string, string>> {
  const { result, mainExit } = memory;
  return { SERVICE_RESULT: result, ...(mainExit === null ? {} : exitCodeVariables(mainExit)) };
}

function exitCodeVariables(exit: ProcessExit): Readonly<Record<string, string>> {
  if (exit.code === 'unknown') return {};
  const status = exit.code === 'killed' ? signalName(exit.status) : String(exit.status);
  return { EXIT_CODE: exit.code, EXIT_STATUS: status };
}
