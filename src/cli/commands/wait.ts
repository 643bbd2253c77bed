import type { ApiUnitSummary } from '../../client/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, say, warn } from '../context.ts';
import { CONDITIONS, meets, type WaitCondition } from '../goals.ts';
import { machineLegend } from '../legend.ts';
import { TIMEOUT } from '../shared-flags.ts';

export const wait: CommandSpec = {
  name: 'wait',
  summary: 'Wait until units are active, loaded, inactive or gone',
  usage: '[--for CONDITION] [--timeout TIME] UNIT...',
  about: `A unit that is on every machine is active when it is active on each of them.
A unit that does not exist yet is waited for; exit status 1 when the time is up.`,
  examples: [
    { line: 'fleetctl wait hello.service', about: 'Until it runs' },
    { line: 'fleetctl wait --for gone --timeout 30s hello.service', about: 'Until it has been destroyed' },
  ],
  flags: [
    {
      name: 'for',
      kind: 'text',
      value: 'CONDITION',
      default: 'active',
      choices: CONDITIONS,
      about: `What to wait for: ${CONDITIONS.join(', ')}`,
    },
    TIMEOUT,
  ],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const [{ noUnits }, { unitNames }, { unitArguments }, { Follow }, { formatDuration }] = await Promise.all([
    import('../order-units.ts'),
    import('../unit-sources.ts'),
    import('../unit-arguments.ts'),
    import('../follow.ts'),
    import('../duration.ts'),
  ]);
  if (context.args.length === 0) return noUnits(context);
  const condition = context.flags.text('for') as WaitCondition;
  const timeoutMs = context.flags.ms('timeout');
  const client = await context.client();
  const names = unitNames(await unitArguments(context, client));
  const pending = new Set(names);
  const follow = new Follow({ client, names });
  const { promise: met, resolve } = Promise.withResolvers<void>();
  const look = (name: string) => {
    const unit = follow.units.get(name) ?? null;
    if (!pending.has(name) || !meets(condition, unit)) return;
    pending.delete(name);
    say(context, describe(name, condition, unit));
    if (pending.size === 0) resolve();
  };
  const begun = follow.ready.then(() => {
    follow.onChange = look;
    names.forEach(look);
  });
  const late = new Promise<void>((resolve) => context.clock.after(timeoutMs, resolve));
  await Promise.race([begun.then(() => met), late, follow.broken]).finally(() => follow.close());
  for (const name of pending) {
    const now = follow.cut?.message ?? `it is ${stateOf(follow.units.get(name) ?? null)}`;
    warn(context, `Timed out after ${formatDuration(timeoutMs)} waiting for unit ${name} to be ${condition}: ${now}`);
  }
  return pending.size === 0 ? 0 : 1;
}

function describe(name: string, condition: WaitCondition, unit: ApiUnitSummary | null): string {
  const on = unit?.placements.map((placement) =>
    machineLegend({ id: placement.machineID, address: placement.address }),
  );
  const where = on && on.length > 0 && condition !== 'inactive' ? ` on ${on.join(', ')}` : '';
  return `Unit ${name} ${condition}${where}`;
}

function stateOf(unit: ApiUnitSummary | null): string {
  if (!unit) return 'not there';
  const statuses = unit.placements.map(({ status }) =>
    status ? `${status.active} (${status.sub})` : 'not reported yet',
  );
  if (statuses.length > 0) return [...new Set(statuses)].join(', ');
  return unit.desiredState === 'inactive' ? 'inactive' : `on no machine (see: fleetctl why ${unit.name})`;
}
