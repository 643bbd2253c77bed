import type { ApiUnitSummary, FleetClient } from '../../client/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, say, warn } from '../context.ts';
import { NO_WAIT_HEALTHY, WAITING } from '../shared-flags.ts';

export const restart: CommandSpec = {
  name: 'restart',
  summary: 'Stop and start units, one after another',
  usage: '[--no-block|--block-attempts N] [--no-wait-healthy] [--timeout TIME] UNIT...',
  about:
    'A unit that is loaded is started; one that is on no machine is refused, and the others go on. The timeout is for each unit.',
  examples: [{ line: 'fleetctl restart web@1 web@2', about: 'Never both at once' }],
  flags: [...WAITING, NO_WAIT_HEALTHY],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const [{ noUnits }, { findUnits }] = await Promise.all([import('../order-units.ts'), import('../lower-units.ts')]);
  if (context.args.length === 0) return noUnits(context);
  const client = await context.client();
  const units = await findUnits(context, client);
  let refused = 0;
  for (const unit of units) {
    if ((unit.global ? unit.desiredState : unit.currentState) === 'inactive') {
      warn(context, `Unable to restart unit ${unit.name} in state inactive`);
      refused++;
    } else if (!(await restartUnit(context, client, unit))) return 1;
  }
  return refused > 0 ? 1 : 0;
}

/** Returns false when the unit did not stop or did not start again. */
async function restartUnit(context: Context, client: FleetClient, unit: ApiUnitSummary): Promise<boolean> {
  const startedMs = context.clock.monotonic();
  if (unit.desiredState !== 'loaded' || unit.currentState !== 'loaded') {
    // Wait for the stop: the desired state is a level, and a stop that is revoked before a machine saw it does not
    // happen.
    if (!(await become(context, client, { unit, state: 'loaded', startedMs }))) return false;
  }
  if (!unit.global && !context.flags.bool('no-block')) {
    return become(context, client, { unit, state: 'launched', startedMs });
  }
  await client.putUnit(unit.name, { name: unit.name, desiredState: 'launched' });
  say(context, `Triggered ${unit.global ? 'global unit' : 'unit'} ${unit.name} start`);
  return true;
}

/** Orders the state and waits for it, for a global unit on every machine. */
async function become(
  context: Context,
  client: FleetClient,
  order: { readonly unit: ApiUnitSummary; readonly state: 'loaded' | 'launched'; readonly startedMs: number },
): Promise<boolean> {
  const [{ Follow }, { startOf }, { waitForGoals, waitingTime }] = await Promise.all([
    import('../follow.ts'),
    import('../goals.ts'),
    import('../wait-for-goals.ts'),
  ]);
  const { name, global } = order.unit;
  const services = order.state === 'launched' && !global && !context.flags.bool('no-wait-healthy');
  const follow = new Follow({ client, names: [name], services });
  try {
    await client.putUnit(name, { name, desiredState: order.state });
    if (global) say(context, `Triggered global unit ${name} stop`);
    const orders = [{ name, goal: { state: order.state, global, before: startOf(order.unit) } }];
    const { startedMs } = order;
    return (
      (await waitForGoals(context, { client, follow, orders, timeoutMs: waitingTime(context), startedMs })).length === 0
    );
  } finally {
    follow.close();
  }
}
