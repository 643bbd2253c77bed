import { type ExpandSpecifiers, UnknownSpecifier } from './specifiers.ts';
import { readWords, type Word } from './words.ts';

/** One command of an Exec line. Variables are unexpanded: their values are known only when it runs. */
export interface ExecCommand {
  /** Absolute path, or a bare name for the fixed search path. */
  readonly path: string;
  /** argv without argv[0]. */
  readonly args: readonly string[];
  /** argv[0] when it differs from the path (`@`). */
  readonly argv0?: string;
  /** `-`: failing counts as success. */
  readonly ignoreFailure: boolean;
  /** `:`: $VARIABLES are left alone. */
  readonly literal: boolean;
  /** `+` and `!`: User= and Group= do not apply. */
  readonly privileged: boolean;
}

/** The commands of one Exec line, and its ignored parts with the reason. */
export interface ExecLine {
  readonly commands: readonly ExecCommand[];
  readonly ignored?: string;
}

/** An invalid command; systemd ignores it if it begins with `-`. */
class WrongCommand extends RangeError {}

/**
 * Parses one Exec line (`;` separates commands) as systemd does. An invalid command makes the unit invalid; if it
 * begins with `-`, or its first word has an open quote, the line ends before it. Throws a RangeError with the reason.
 */
export function parseExecLine(line: string, expand: ExpandSpecifiers): ExecLine {
  const { words, complete } = readWords(line, 'lenient');
  const commands: ExecCommand[] = [];
  let from = 0;
  for (let at = 0; at <= words.length; at++) {
    if (at < words.length && words[at]!.raw !== ';') continue;
    const own = words.slice(from, at);
    from = at + 1;
    const unclosed = at === words.length && !complete;
    if (own.length === 0 && unclosed) return { commands, ignored: `a quote that is not closed: ${line}` };
    if (own.length === 0) continue;
    try {
      if (unclosed) throw new WrongCommand(`has a quote that is not closed: ${line}`);
      commands.push(parseCommand(own, expand));
    } catch (error) {
      const passedOver = error instanceof WrongCommand || error instanceof UnknownSpecifier;
      if (!passedOver || !prefixOf(own[0]!).includes('-')) throw error;
      return { commands, ignored: `"${own[0]!.raw}" and what follows it: ${error.message}` };
    }
  }
  return commands.length === 0 ? { commands, ignored: `${line}: no command` } : { commands };
}

function prefixOf(word: Word): string {
  return /^[-@:+!]*/.exec(word.text)![0];
}

function parseCommand(words: readonly Word[], expand: ExpandSpecifiers): ExecCommand {
  const [first, ...rest] = words;
  const prefix = prefixOf(first!);
  const path = expand(first!.text.slice(prefix.length));
  if (path === '') throw new WrongCommand(`names no program: ${first!.raw}`);
  // As systemd's string_is_safe().
  if (/[\x00-\x1f\x7f"'\\]/.test(path))
    throw new WrongCommand(`has special characters in a program's name: ${first!.raw}`);
  if (path.includes('/') && !path.startsWith('/')) {
    throw new WrongCommand(`takes an absolute path or a bare name, not "${path}"`);
  }
  if (path.endsWith('/')) throw new WrongCommand(`names a directory: "${path}"`);
  const args = rest.map((word) => (word.raw === '\\;' ? ';' : expand(word.text)));
  const argv0 = prefix.includes('@') ? args.shift() : undefined;
  if (prefix.includes('@') && argv0 === undefined) throw new WrongCommand(`has "@" but no argv[0]: ${first!.raw}`);
  return {
    path,
    args,
    ...(argv0 === undefined ? {} : { argv0 }),
    ignoreFailure: prefix.includes('-'),
    literal: prefix.includes(':'),
    privileged: prefix.includes('+') || prefix.includes('!'),
  };
}

/** Formats the command as status shows it. */
export function commandText(command: ExecCommand): string {
  return [command.argv0 ?? command.path, ...command.args].join(' ');
}

/**
 * Returns the argv of the process, argv[0] first, with variables expanded as in systemd: `${NAME}` anywhere in a word
 * unsplit, `$NAME` as a whole word split at blanks, `$$` is a dollar; unset variables are empty.
 */
export function expandArgv(command: ExecCommand, environment: Readonly<Record<string, string>>): readonly string[] {
  const argv = [command.argv0 ?? command.path, ...command.args];
  return command.literal ? argv : argv.flatMap((word) => expandWord(word, environment));
}

function expandWord(word: string, environment: Readonly<Record<string, string>>): readonly string[] {
  if (/^\$(?![${])/.test(word)) {
    // As in systemd, a word that begins with a single dollar is a variable as a whole, and disappears when it is unset.
    return readWords(variable(environment, word.slice(1)), 'bare').words.map(({ text }) => text);
  }
  return [expandWithin(word, environment)];
}

/**
 * As systemd's replace_env(): braces contain everything up to `}`, name or not; with a colon inside, or unclosed, they
 * stay as written. Behind a dollar that begins nothing the next character is skipped.
 */
function expandWithin(word: string, environment: Readonly<Record<string, string>>): string {
  return word.replace(/\$(?:\{([^}:]*)(\}|:|$)|.|$)/gs, (all, name: string | undefined, end: string | undefined) => {
    if (name !== undefined) return end === '}' ? variable(environment, name) : all;
    return all === '$$' ? '$' : all;
  });
}

function variable(environment: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(environment, name) ? environment[name]! : '';
}
