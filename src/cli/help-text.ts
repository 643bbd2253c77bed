import { VERSION } from '../lib/index.ts';
import type { CommandSpec } from './command.ts';
import { COMMANDS } from './commands.ts';
import type { FlagSpec } from './flags.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';

/** What `fleetctl` alone prints. */
export function globalHelp(): string {
  const commands = COMMANDS.filter((command) => !command.hidden);
  return [
    section('NAME', ['fleetctl - make many machines behave as one: submit systemd units, the cluster runs them']),
    section('USAGE', ['fleetctl [global options] <command> [command options] [arguments...]']),
    section('VERSION', [VERSION]),
    section('COMMANDS', aligned(commands.map((command) => [command.name, command.summary]))),
    section('GLOBAL OPTIONS', aligned(GLOBAL_FLAGS.filter(isShown).map(flagRow))),
    `Global options can also be set in the environment: --some-flag is FLEETCTL_SOME_FLAG.
Flags take one dash or two, and stand before or behind the command, which may be shortened (fleetctl list-m).

Run "fleetctl help <command>" for more on one command.
`,
  ].join('\n');
}

/** What `fleetctl help COMMAND` and `fleetctl COMMAND --help` print. */
export function commandHelp(command: CommandSpec): string {
  const flags = command.flags.filter(isShown);
  const examples = aligned(command.examples.map(({ line, about }) => [line, `# ${about}`]));
  return [
    section('NAME', [`fleetctl ${command.name} - ${command.summary}`]),
    section('USAGE', [`fleetctl ${command.name} ${command.usage}`.trim()]),
    ...(command.about ? [section('DESCRIPTION', command.about.split('\n'))] : []),
    ...(flags.length > 0 ? [section('OPTIONS', aligned(flags.map(flagRow)))] : []),
    ...(examples.length > 0 ? [section('EXAMPLES', examples)] : []),
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
  return `${title}:\n${lines.map((line) => `\t${line}\n`).join('')}`;
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`);
}
