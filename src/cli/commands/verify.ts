import type { CommandSpec } from '../command.ts';
import { warn } from '../context.ts';

export const verify: CommandSpec = {
  name: 'verify',
  summary: 'Say that signed units are gone',
  usage: 'UNIT',
  examples: [],
  flags: [],
  arguments: 'none',
  hidden: true,
  run: async (context) => {
    warn(context, 'WARNING: The signed/verified units feature is DEPRECATED and cannot be used.');
    return 2;
  },
};
