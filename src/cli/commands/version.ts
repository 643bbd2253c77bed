import { VERSION } from '../../lib/index.ts';
import type { CommandSpec } from '../command.ts';
import { say } from '../context.ts';

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
