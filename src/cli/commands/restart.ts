import type { ApiUnitSummary, FleetClient } from '../../client/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, say, warn } from '../context.ts';
import { WAITING } from '../shared-flags.ts';

export const restart: CommandSpec = {
  name: 'restart',
  summary: 'Stop and start units, one after another',
  usage: '[--no-block|--block-attempts N] [--timeout TIME] UNIT...',
  about: 'A unit that is loaded is started; one that is on no machine is refused. The timeout is for each unit.',
  examples: [{ line: 'fleetctl restart web@1 web@2', about: 'Never both at once' }],
  flags: WAITING,
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const [{ noUnits }, { findUnits }] = await Promise.all([import('../order-units.ts'), import('../lower-units.ts')]);
  if (context.args.length === 0) return noUnits(context);
  const client = await context.client();
  const units = await findUnits(context, client);
  for (const unit of units) {
    if (!unit.global && unit.currentState === 'inactive') {
      warn(context, `Unable to restart unit ${unit.name} in state inactive`);
      return 1;
    }
  }
  for (const unit of units) {
    const failed =
      unit.global || context.flags.bool('no-block')
        ? await trigger(context, client, unit)
        : await cycle(context, client, unit);
    if (failed) return 1;
  }
  return 0;
}

/** Stop and start without waiting for either. */
async function trigger(context: Context, client: FleetClient, { name, global }: ApiUnitSummary): Promise<boolean> {
  const what = global ? 'global unit' : 'unit';
  await client.putUnit(name, { name, desiredState: 'loaded' });
  say(context, `Triggered ${what} ${name} stop`);
  await client.putUnit(name, { name, desiredState: 'launched' });
  say(context, `Triggered ${what} ${name} start`);
  return false;
}

/** True when the unit did not stop, or did not start again. */
async function cycle(context: Context, client: FleetClient, unit: ApiUnitSummary): Promise<boolean> {
  const [{ Follow }, { waitForGoals, waitingTime }] = await Promise.all([
    import('../follow.ts'),
    import('../wait-for-goals.ts'),
  ]);
  const { name } = unit;
  const startedMs = context.clock.monotonic();
  for (const state of unit.currentState === 'loaded' ? (['launched'] as const) : (['loaded', 'launched'] as const)) {
    const follow = new Follow({ client, names: [name] });
    try {
      await client.putUnit(name, { name, desiredState: state });
      const timeoutMs = Math.max(0, waitingTime(context) - (context.clock.monotonic() - startedMs));
      const late = await waitForGoals(context, { client, follow, orders: [{ name, goal: { state } }], timeoutMs });
      if (late.length > 0) return true;
    } finally {
      follow.close();
    }
  }
  return false;
}
