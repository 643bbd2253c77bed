import type { ApiUnitSummary, FleetClient } from '../client/index.ts';
import { type Context, say, warn } from './context.ts';
import { Follow } from './follow.ts';
import { mapLimit, messageOfItem } from './map-limit.ts';
import { REQUESTS_IN_FLIGHT } from './order-units.ts';
import { unitArguments } from './unit-arguments.ts';
import { unitNames } from './unit-sources.ts';
import { waitForGoals, waitingTime } from './wait-for-goals.ts';

/**
 * Returns the cluster's units for the arguments, in order. Names unknown ones on stderr; when all are unknown, with
 * fleet's message.
 */
export async function findUnits(context: Context, client: FleetClient): Promise<ApiUnitSummary[]> {
  const names = unitNames(await unitArguments(context, client));
  const found = new Map((await client.summaries(names)).map((unit) => [unit.name, unit]));
  const units = names.map((name) => found.get(name)).filter((unit) => unit !== undefined);
  if (units.length === 0) warn(context, 'Units not found in registry');
  else for (const name of names) if (!found.has(name)) warn(context, `Unit ${name} does not exist.`);
  return units;
}

export interface LowerOrder {
  readonly verb: 'stop' | 'unload';
  readonly state: 'loaded' | 'inactive';
  /** `stopped`, for the final message. */
  readonly done: string;
  readonly units: readonly ApiUnitSummary[];
}

/** The common part of stop and unload: lowers the desired state of units and waits until they have it. */
export async function lowerUnits(context: Context, client: FleetClient, order: LowerOrder): Promise<number> {
  const startedMs = context.clock.monotonic();
  const local = order.units.filter((unit) => !unit.global).map((unit) => unit.name);
  const waits = !context.flags.bool('no-block') && local.length > 0;
  const follow = waits ? new Follow({ client, names: local }) : undefined;
  try {
    const failed = new Set<string>();
    await mapLimit(order.units, REQUESTS_IN_FLIGHT, async ({ name, global }) => {
      try {
        await client.putUnit(name, { name, desiredState: order.state });
        if (global) say(context, `Triggered global unit ${name} ${order.verb}`);
      } catch (error) {
        failed.add(name);
        warn(
          context,
          `Error ${order.verb === 'stop' ? 'stopping' : 'unloading'} units: unit ${name}: ${messageOfItem(error)}`,
        );
      }
    });
    const ordered = local.filter((name) => !failed.has(name));
    if (!follow) for (const name of ordered) say(context, `Triggered unit ${name} ${order.verb}`);
    else {
      const orders = ordered.map((name) => ({ name, goal: { state: order.state } }));
      const timeoutMs = waitingTime(context);
      if (orders.length > 0)
        for (const name of await waitForGoals(context, { client, follow, orders, timeoutMs, startedMs }))
          failed.add(name);
    }
    if (failed.size === 0) warn(context, `Successfully ${order.done} units [${local.join(' ')}].`);
    else warn(context, `Failed to ${order.verb} units [${[...failed].join(' ')}]. exit == 1.`);
    return failed.size === 0 ? 0 : 1;
  } finally {
    follow?.close();
  }
}
