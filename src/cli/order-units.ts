import type { ApiState, FleetClient } from '../client/index.ts';
import { type Context, say, warn } from './context.ts';
import { Follow } from './follow.ts';
import { type Goal, startOf } from './goals.ts';
import { mapLimit, messageOfItem } from './map-limit.ts';
import { unitArguments } from './unit-arguments.ts';
import { type SourcedUnit, sourceUnits, unitNames } from './unit-sources.ts';
import { type Order, waitForGoals, waitingTime } from './wait-for-goals.ts';

// One connection per request: 32 keep a server busy, more would only queue.
export const REQUESTS_IN_FLIGHT = 32;

/** The common part of start and load: finds the units, orders them, and waits until they have the state. */
export async function orderUnits(
  context: Context,
  order: {
    readonly verb: 'start' | 'load';
    readonly state: 'loaded' | 'launched';
    readonly replaceable: readonly ApiState[];
  },
): Promise<number> {
  if (context.args.length === 0) return noUnits(context);
  const startedMs = context.clock.monotonic();
  const client = await context.client();
  const args = await unitArguments(context, client);
  const waits = !context.flags.bool('no-block');
  // Open the stream before ordering anything, so that it is ready when the responses come and costs no extra time.
  const services = order.state === 'launched' && !context.flags.bool('no-wait-healthy');
  const follow = waits ? new Follow({ client, names: unitNames(args), services }) : undefined;
  try {
    const replace = context.flags.bool('replace');
    const { units, templates } = await sourceUnits(context, client, { args, replace, ...order });
    if (!(await sendTemplates(context, client, templates))) return 1;
    const allowed = units.filter(({ refused }) => !refused);
    const failed = await send(context, client, { units: allowed, state: order.state, verb: order.verb });
    for (const { name, refused } of units) if (refused) failed.add(name);
    const ordered = units.filter((unit) => !failed.has(unit.name));
    for (const unit of ordered) {
      if (unit.global) say(context, `Triggered global unit ${unit.name} ${order.verb}`);
      else if (!follow) say(context, `Triggered unit ${unit.name} ${order.verb}`);
    }
    const orders: Order[] = ordered
      .filter((unit) => !unit.global)
      .map((unit) => ({ name: unit.name, goal: goalOf(unit, order.state) }));
    if (!follow || orders.length === 0) return failed.size > 0 ? 1 : 0;
    const late = await waitForGoals(context, { client, follow, orders, timeoutMs: waitingTime(context), startedMs });
    return late.length + failed.size > 0 ? 1 : 0;
  } finally {
    follow?.close();
  }
}

/** A unit that was already to be launched is not started again: the outcome of its last start is what counts. */
function goalOf({ hash, existing, file }: SourcedUnit, state: 'loaded' | 'launched'): Goal {
  const starts = file !== undefined || existing?.desiredState !== state || existing.ran !== undefined;
  return { state, ...(hash ? { hash } : {}), before: starts ? startOf(existing) : undefined };
}

/**
 * Replaces templates in the cluster and says so, since the user named only their instances. Returns false when one was
 * refused.
 */
export async function sendTemplates(
  context: Context,
  client: FleetClient,
  templates: readonly SourcedUnit[],
): Promise<boolean> {
  for (const { name, file } of templates) {
    try {
      await client.putUnit(name, { name, desiredState: 'inactive', ...file });
      warn(context, `The template ${name} was replaced in the cluster, too`);
    } catch (error) {
      warn(context, `Error creating units: failed creating unit ${name}: ${messageOfItem(error)}`);
      return false;
    }
  }
  return true;
}

/** Sends the changed units; returns the names of the refused ones, each of which has been reported. */
async function send(
  context: Context,
  client: FleetClient,
  order: { readonly units: readonly SourcedUnit[]; readonly state: ApiState; readonly verb: string },
): Promise<Set<string>> {
  const failed = new Set<string>();
  const toSend = order.units.filter(
    ({ file, existing }) => file || existing?.desiredState !== order.state || existing.ran,
  );
  await mapLimit(toSend, REQUESTS_IN_FLIGHT, async ({ name, file }) => {
    try {
      await client.putUnit(name, { name, desiredState: order.state, ...file });
    } catch (error) {
      const reason = messageOfItem(error);
      failed.add(name);
      const doing = file
        ? `Error creating units: failed creating unit ${name}`
        : `Error ${order.verb}ing units: unit ${name}`;
      warn(context, `${doing}: ${reason}`);
    }
  });
  return failed;
}

/** Prints fleet's message for a command without arguments, which is no failure. */
export function noUnits(context: Context): number {
  warn(context, 'No units given');
  return 0;
}
