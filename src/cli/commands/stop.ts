import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';
import { WAITING } from '../shared-flags.ts';

export const stop: CommandSpec = {
  name: 'stop',
  summary: 'Stop units; they stay on their machines and can be started again',
  usage: '[--no-block|--block-attempts N] [--timeout TIME] UNIT...',
  examples: [{ line: 'fleetctl stop hello.service', about: 'Stop it, and wait until it has stopped' }],
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
  const idle = units.filter((unit) => !unit.global && unit.currentState === 'inactive');
  for (const { name, desiredState } of idle) {
    warn(context, `Unable to stop unit ${name} in state inactive`);
    if (desiredState !== 'inactive') warn(context, `It waits for a machine; to call it off: fleetctl unload ${name}`);
  }
  if (idle.length > 0) return 1;
  const running = units.filter(
    (unit) => unit.global || unit.currentState !== 'loaded' || unit.desiredState !== 'loaded',
  );
  return lowerUnits(context, client, { verb: 'stop', state: 'loaded', done: 'stopped', units: running });
}
