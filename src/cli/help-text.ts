import { VERSION, wrapText } from '../lib/index.ts';
import type { CommandSpec, Subcommand } from './command.ts';
import type { FlagSpec } from './flags.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';

/** Returns the output of `fleetctl` alone. */
export function globalHelp(all: readonly CommandSpec[]): string {
  const commands = all.filter((command) => !command.hidden);
  return [
    section(
      'NAME',
      wrapped('fleetctl - make many machines behave as one: submit systemd units, the cluster runs them'),
    ),
    section('USAGE', ['fleetctl [global options] <command> [command options] [arguments...]']),
    section('VERSION', [VERSION]),
    section('COMMANDS', aligned(commands.map((command) => [command.name, command.summary]))),
    section('GLOBAL OPTIONS', aligned(GLOBAL_FLAGS.filter(isShown).map(flagRow))),
    `Global options can also be set in the environment: --some-flag is
FLEETCTL_SOME_FLAG. Flags take one dash or two, and stand before or behind the
command, which may be shortened (fleetctl list-m).

Run "fleetctl help <command>" for more on one command.
`,
  ].join('\n');
}

/** Returns the output of `fleetctl help COMMAND` and `fleetctl COMMAND --help`, or of the subcommand `part` alone. */
export function helpOf(command: CommandSpec, part?: string): string {
  const subcommand = command.subcommands?.find(({ name }) => name === part);
  return subcommand ? subcommandHelp(command, subcommand) : commandHelp(command);
}

function commandHelp(command: CommandSpec): string {
  const parts = command.subcommands ?? [];
  return helpPage({
    ...command,
    title: `${command.name} - ${command.summary}`,
    usages:
      parts.length === 0 || command.usage !== ''
        ? [`${command.name} ${command.usage}`]
        : parts.map(({ name, usage }) => `${command.name} ${name} ${usage}`),
  });
}

function subcommandHelp(command: CommandSpec, { name, usage, about, flags, examples }: Subcommand): string {
  return helpPage({
    title: `${command.name} ${name} - ${about}`,
    usages: [`${command.name} ${name} ${usage}`],
    about: undefined,
    flags: command.flags.filter((flag) => flags.includes(flag.name)),
    examples,
    subcommands: undefined,
  });
}

interface Page extends Pick<CommandSpec, 'flags' | 'examples'> {
  readonly title: string;
  readonly usages: readonly string[];
  readonly about?: string | undefined;
  readonly subcommands?: readonly Subcommand[] | undefined;
}

function helpPage({ title, usages, about, subcommands = [], flags, examples }: Page): string {
  const shown = flags.filter(isShown);
  const parts = subcommands.map((part): [string, string] => [`${part.name} ${part.usage}`.trim(), part.about]);
  return [
    section('NAME', wrapped(`fleetctl ${title}`)),
    section(
      'USAGE',
      usages.flatMap((usage) => wrapped(`fleetctl ${usage}`.trim(), '    ')),
    ),
    ...(about ? [section('DESCRIPTION', paragraphs(about))] : []),
    ...(parts.length > 0 ? [section('SUBCOMMANDS', aligned(parts))] : []),
    ...(shown.length > 0 ? [section('OPTIONS', aligned(shown.map(flagRow)))] : []),
    ...(examples.length > 0
      ? [section('EXAMPLES', aligned(examples.map(({ line, about: what }) => [line, `# ${what}`])))]
      : []),
    'For help on global options run "fleetctl help"\n',
  ].join('\n');
}

function isShown(flag: FlagSpec): boolean {
  return !flag.deprecated;
}

function flagRow(flag: FlagSpec): [string, string] {
  const short = flag.short ? `-${flag.short}, ` : '';
  const value = flag.kind === 'bool' ? '' : `=${flag.value ?? 'VALUE'}`;
  const byDefault = flag.default === undefined || flag.default === '' ? '' : ` (default ${flag.default})`;
  return [`${short}--${flag.name}${value}`, `${flag.about}${byDefault}`];
}

function section(title: string, lines: readonly string[]): string {
  return `${title}:\n${lines.map((line) => (line === '' ? '\n' : `\t${line}\n`)).join('')}`;
}

/** Columns behind a tab, of 80. */
const WIDTH = 72;
const LEFT_AT_MOST = 30;

/** Formats two columns; a long left cell stands on a line of its own. */
function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const lefts = rows.map(([left]) => left.length);
  const width = Math.max(0, ...lefts.filter((length) => length <= LEFT_AT_MOST));
  return rows.flatMap(([left, right]) => {
    const whole = `${left.padEnd(width)}  ${right}`;
    if (whole.length <= WIDTH && left.length <= Math.max(width, WIDTH - right.length - 2)) return [whole];
    const indent = ' '.repeat(width + 2);
    if (left.length <= width) return wrapped(whole, indent);
    return [...wrapped(left, '    '), ...wrapped(`${indent}${right}`, indent)];
  });
}

/** Wraps prose paragraph by paragraph; lines with two columns stay. */
function paragraphs(text: string): string[] {
  const lines: { text: string; left: number }[] = [];
  for (const line of text.split('\n')) {
    const left = /^\s*\S+(?: \S+)*\s{2,}(?=\S)/.exec(line)?.[0].length ?? 0;
    const last = lines.at(-1);
    if (left === 0 && line !== '' && last && last.left === 0 && last.text !== '') last.text += ` ${line}`;
    else lines.push({ text: line, left });
  }
  return lines.flatMap(({ text: whole, left }) => wrapped(whole, ' '.repeat(Math.min(left, LEFT_AT_MOST))));
}

function wrapped(text: string, indent = ''): string[] {
  return wrapText(text, WIDTH, indent);
}
