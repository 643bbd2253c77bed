import { ERRORS, FlotillaError, isFlotillaError, systemClock } from '../lib/index.ts';
import type { CommandSpec, Context } from './command.ts';
import { BEYOND_FLEET, COMMANDS } from './commands.ts';
import { type FlagSpec, type Flags, resolveFlags, splitLine, type WrittenFlag } from './flags.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { type Io, OutputClosed, type ShownIo, shownIo } from './io.ts';
import { nearest } from './nearest.ts';
import { ALIASES, ourWord } from './other-words.ts';

/** Runs one command line, without the program's name; returns the exit status. */
export async function runFleetctl(argv: readonly string[], raw: Io): Promise<number> {
  const io = shownIo(raw);
  try {
    return await dispatch(argv, io);
  } catch (error) {
    // The reader of our output has closed it: no failure.
    if (error instanceof OutputClosed) return 0;
    if (!isFlotillaError(error)) throw error;
    io.err(`${wantsJson(argv) ? jsonError(error) : explain(error)}\n`);
    return ERRORS[error.code].exit;
  }
}

/** True when the line asks for `-o json` as an option of ours, even if another part of it is wrong. */
function wantsJson(argv: readonly string[]): boolean {
  try {
    const { found } = splitLine(argv, allFlags(), isForeignFrom);
    return found.some(({ written, value }) => (written === 'output' || written === 'o') && value === 'json');
  } catch {
    // A line that cannot be parsed asks for nothing in particular.
    return false;
  }
}

/** Formats an error as one line of JSON; its code stays the same in later versions. */
function jsonError(error: FlotillaError): string {
  return JSON.stringify({ error: { code: error.code, message: explain(error) } });
}

function allFlags(): readonly FlagSpec[] {
  return [...GLOBAL_FLAGS, ...COMMANDS.flatMap((command) => command.flags)];
}

async function dispatch(argv: readonly string[], io: ShownIo): Promise<number> {
  const line = splitLine(argv, allFlags(), isForeignFrom);
  const wants = (...names: string[]) =>
    line.found.some(({ written, value }) => names.includes(written) && value !== 'false');
  const name = line.words[0];
  if (wants('version', 'v')) return findCommand('version').run(contextOf([], io, resolveVersion()));
  if (name === undefined || wants('help', 'h')) {
    return findCommand('help').run(contextOf(line.words.slice(0, 2), io, resolve('help', [])));
  }
  const command = findCommand(name);
  const flags = command.name === 'version' ? resolveVersion() : resolve(...flagsOf(command, line.words[1]));
  if (wants('sign')) return findCommand('verify').run(contextOf([], io, flags));
  const args = [...line.words.slice(1), ...line.rest];
  if (command.arguments === 'none' && !command.hidden && args.length > 0) {
    throw new FlotillaError('usage', `${command.name} takes no arguments: leave out ${args.join(' ')}`);
  }
  return command.run(contextOf(args, io, flags));

  /** Reads only the output format from the line. */
  function resolveVersion(): Flags {
    const own = line.found.filter(({ written }) => written === 'output' || written === 'o');
    const { flags } = findCommand('version');
    return resolveFlags(name === undefined || findCommand(name).name === 'version' ? own : [], flags, GLOBAL_FLAGS, {
      command: 'version',
      env: {},
    });
  }

  function resolve(command: string, own: CommandSpec['flags']): Flags {
    // Help and version work whatever else is on the line or in the environment.
    if (command === 'help' || command === 'version') return resolveFlags([], own, GLOBAL_FLAGS, { command, env: {} });
    return resolveFlags(line.found, own, GLOBAL_FLAGS, { command, env: io.env });
  }
}

/** Returns the flags of a command or its subcommand, and the name for messages that refuse others. */
function flagsOf(command: CommandSpec, word: string | undefined): [name: string, flags: CommandSpec['flags']] {
  const part = command.subcommands?.find(({ name }) => name === word);
  if (part === undefined) return [command.name, command.flags];
  return [`${command.name} ${part.name}`, command.flags.filter(({ name }) => part.flags.includes(name))];
}

/** True when the rest of the line belongs to another program. */
function isForeignFrom(words: readonly string[], found: readonly WrittenFlag[]): boolean {
  const command = COMMANDS.find(({ name }) => name === words[0]);
  if (!command?.foreign) return command?.raw === true;
  const { after, unless } = command.foreign;
  const own = found.some(({ written }) => unless.includes(written)) ? 0 : after;
  return words.length > 1 + own;
}

/**
 * Returns the command of that name, or the only one (if need be, of fleet's) with that beginning; throws a `usage`
 * error otherwise.
 */
export function findCommand(word: string): CommandSpec {
  const exact = COMMANDS.find((command) => command.name === (ALIASES.get(word) ?? word));
  if (exact) return exact;
  const matching = COMMANDS.filter((command) => word !== '' && command.name.startsWith(word));
  if (matching.length === 1) return matching[0]!;
  const ofFleet = matching.filter((command) => !BEYOND_FLEET.has(command));
  if (ofFleet.length === 1) return ofFleet[0]!;
  if (matching.length > 1) {
    const names = matching.map((command) => command.name).join(', ');
    throw new FlotillaError('usage', `ambiguous command ${JSON.stringify(word)}: it may be ${names}`);
  }
  const visible = COMMANDS.filter((command) => !command.hidden).map((command) => command.name);
  const near = ourWord(word) ?? nearest(word, visible);
  const meant = near ? ` Did you mean ${near}?` : '';
  throw new FlotillaError(
    'usage',
    `fleetctl: unknown command ${JSON.stringify(word)}.${meant} Run 'fleetctl help' for the commands there are.`,
  );
}

function contextOf(args: readonly string[], io: ShownIo, flags: Flags): Context {
  let client: ReturnType<Context['client']> | undefined;
  return {
    args,
    io,
    flags,
    clock: systemClock,
    commands: { all: COMMANDS, find: findCommand },
    client: () => {
      client ??= import('./connect.ts').then(({ connect }) => connect(flags, io));
      return client;
    },
  };
}

/** Adds advice that the place of the error cannot know. */
function explain(error: FlotillaError): string {
  const endpoint = error.facts['endpoint'];
  if ((error.code !== 'unavailable' && error.code !== 'timeout') || typeof endpoint !== 'string') return error.message;
  return `${error.message}. Is fleetd running there? Name another with --endpoint, or start a cluster on this computer: fleetctl lab up`;
}
