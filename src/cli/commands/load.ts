import type { CommandSpec } from '../command.ts';
import { REPLACE, SIGN, WAITING } from '../shared-flags.ts';

export const load: CommandSpec = {
  name: 'load',
  summary: 'Place units on machines without starting them, submitting them first when needed',
  usage: '[--replace] [--no-block|--block-attempts N] [--timeout TIME] UNIT...',
  about: `Waits until each unit is in the systemd of a machine, and says on which.
Units that run on every machine (Global=true) are not waited for.`,
  examples: [{ line: 'fleetctl load hello.service', about: 'Find a machine for it; start it later' }],
  flags: [REPLACE, ...WAITING, SIGN],
  arguments: 'files',
  run: async (context) => {
    const { orderUnits } = await import('../order-units.ts');
    return orderUnits(context, { verb: 'load', state: 'loaded', replaceable: ['inactive', 'loaded'] });
  },
};
