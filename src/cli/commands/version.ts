import type { CommandSpec } from '../command.ts';
import { say } from '../context.ts';
import { VERSION } from '../version.ts';

export const version: CommandSpec = {
  name: 'version',
  summary: 'Print the version',
  usage: '',
  examples: [],
  flags: [],
  arguments: 'none',
  run: async (context) => {
    say(context, `fleetctl version ${VERSION}`);
    return 0;
  },
};
