import type { CommandSpec } from '../command.ts';
import { NO_WAIT_HEALTHY, REPLACE, SIGN, WAITING } from '../shared-flags.ts';

export const start: CommandSpec = {
  name: 'start',
  summary: 'Start units, submitting and placing them first when needed',
  usage: '[--replace] [--no-block|--block-attempts N] [--no-wait-healthy] [--timeout TIME] UNIT...',
  about: `Waits until each unit is active and its services pass their checks; a unit that fails is an error.
When no machine can take a unit, says why within a second and goes on waiting.
Units that run on every machine (Global=true) are not waited for.`,
  examples: [
    { line: 'fleetctl start hello.service', about: 'Submit, place and start one unit' },
    { line: 'fleetctl start worker@{1..5}', about: 'Five instances of the template worker@.service' },
    { line: 'fleetctl start --replace --timeout 1m hello.service', about: 'A new version of a running unit' },
  ],
  flags: [REPLACE, ...WAITING, NO_WAIT_HEALTHY, SIGN],
  arguments: 'files',
  run: async (context) => {
    const { orderUnits } = await import('../order-units.ts');
    return orderUnits(context, { verb: 'start', state: 'launched', replaceable: ['inactive', 'loaded', 'launched'] });
  },
};
