import type { CommandSpec } from '../command.ts';
import type { Context } from '../context.ts';

export const help: CommandSpec = {
  name: 'help',
  summary: 'Print the commands there are, or how to use one',
  usage: '[COMMAND [SUBCOMMAND]]',
  examples: [
    { line: 'fleetctl help start', about: 'All about one command' },
    { line: 'fleetctl help lab kill', about: 'All about a part of one' },
  ],
  flags: [],
  arguments: 'commands',
  run: async (context: Context) => {
    const { globalHelp, helpOf } = await import('../help-text.ts');
    const [name, part] = context.args;
    const { all, find } = context.commands;
    context.io.out(name === undefined ? globalHelp(all) : helpOf(find(name), part));
    return 0;
  },
};
