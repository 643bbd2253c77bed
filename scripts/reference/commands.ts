import type { CommandSpec } from '../../src/cli/command.ts';
import { BEYOND_FLEET, COMMANDS } from '../../src/cli/commands.ts';
import type { FlagSpec } from '../../src/cli/flags.ts';
import { GLOBAL_FLAGS } from '../../src/cli/global-flags.ts';
import { helpOf } from '../../src/cli/help-text.ts';
import { ALIASES } from '../../src/cli/other-words.ts';
import { code, page, table } from './markdown.ts';

/** docs/reference/fleetctl.md */
export function commandsPage(): string {
  const shown = COMMANDS.filter((command) => !command.hidden);
  const aliases = [...ALIASES].map(([alias, name]) => `\`${alias}\` is \`${name}\``).join(', ');
  return page(
    'fleetctl',
    '`src/cli/commands.ts`',
    `Every command takes \`--help\`. A command may be shortened to what only it begins with (\`fleetctl list-m\`); ${aliases}. Commands
marked + are not fleet's. [Exit codes](exit-codes.md) and [errors](errors.md) have pages of their own.`,
    table(
      ['command', 'does'],
      shown.map((command) => [
        `[${command.name}](#${command.name})${BEYOND_FLEET.has(command) ? ' +' : ''}`,
        command.summary,
      ]),
    ),
    '## Options of every command',
    `Each is also read from the environment: \`--request-timeout\` from \`FLEETCTL_REQUEST_TIMEOUT\`. Options take one dash or two, before
or behind the command.`,
    table(['option', 'default', 'means'], GLOBAL_FLAGS.map(flagRow)),
    ...shown.flatMap(commandParts),
  );
}

function flagRow(flag: FlagSpec): string[] {
  const name = `${flag.short ? `-${flag.short}, ` : ''}--${flag.name}${flag.kind === 'bool' ? '' : `=${flag.value ?? 'VALUE'}`}`;
  return [code(name), code(flag.default ?? ''), `${flag.about}${flag.deprecated ? ' (deprecated)' : ''}`];
}

function commandParts(command: CommandSpec): string[] {
  const help = helpOf(command).split('For help on global options')[0]!.replaceAll('\t', '  ').trim();
  return [`## ${command.name}`, `\`\`\`\n${help}\n\`\`\``];
}
