import { VERSION } from '../../lib/index.ts';
import type { CommandSpec } from '../command.ts';
import { say, sayJson } from '../context.ts';
import { OUTPUT } from '../shared-flags.ts';

export const version: CommandSpec = {
  name: 'version',
  summary: 'Print the version',
  usage: '[-o json]',
  examples: [{ line: 'fleetctl version -o json', about: 'For a program' }],
  flags: [OUTPUT],
  arguments: 'none',
  run: async (context) => {
    if (context.flags.text('output') === 'json') sayJson(context, { version: VERSION });
    else say(context, `fleetctl version ${VERSION}`);
    return 0;
  },
};
