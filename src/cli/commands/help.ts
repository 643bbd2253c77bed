import type { CommandSpec } from '../command.ts';
import type { Context } from '../context.ts';

export const help: CommandSpec = {
  name: 'help',
  summary: 'Print the commands there are, or how to use one',
  usage: '[COMMAND]',
  examples: [{ line: 'fleetctl help start', about: 'All about one command' }],
  flags: [],
  arguments: 'commands',
  run: async (context: Context) => {
    const { commandHelp, globalHelp } = await import('../help-text.ts');
    const [name] = context.args;
    if (name === undefined) context.io.out(globalHelp());
    else {
      const { findCommand } = await import('../run.ts');
      context.io.out(commandHelp(findCommand(name)));
    }
    return 0;
  },
};
