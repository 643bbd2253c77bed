import type { CommandSpec } from '../command.ts';
import type { Context } from '../context.ts';
import { WAITING } from '../shared-flags.ts';

export const unload: CommandSpec = {
  name: 'unload',
  summary: 'Stop units and take them off their machines; the cluster keeps their files',
  usage: '[--no-block|--block-attempts N] [--timeout TIME] UNIT...',
  examples: [{ line: 'fleetctl unload hello.service', about: 'Its machine forgets it; fleetctl start brings it back' }],
  flags: WAITING,
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const [{ noUnits }, { findUnits, lowerUnits }] = await Promise.all([
    import('../order-units.ts'),
    import('../lower-units.ts'),
  ]);
  if (context.args.length === 0) return noUnits(context);
  const client = await context.client();
  const units = await findUnits(context, client);
  if (units.length === 0) return 0;
  const placed = units.filter((unit) => unit.desiredState !== 'inactive' || unit.currentState !== 'inactive');
  return lowerUnits(context, client, { verb: 'unload', state: 'inactive', done: 'unloaded', units: placed });
}
