import type { CommandSpec } from '../command.ts';
import { type Context, say, warn } from '../context.ts';
import { WAITING } from '../shared-flags.ts';

export const destroy: CommandSpec = {
  name: 'destroy',
  summary: 'Remove units from the cluster, stopping them where they run',
  usage: 'UNIT...',
  about: `Returns once the cluster has forgotten the units. Their machines take their services out of the catalog, let them
finish requests for a moment (Drain= of [X-Service], 2 seconds by default) and stop them; a unit without services is
stopped at once. Until then fleetctl list-units shows them as destroyed. A template can be destroyed while its
instances run on.`,
  examples: [
    { line: 'fleetctl destroy hello.service', about: 'Stop it and forget its file' },
    { line: "fleetctl destroy 'web@*'", about: 'The template and all its instances' },
  ],
  // Accepted without effect, since destroy waits for nothing but scripts for fleet may pass them.
  flags: WAITING.map((flag) => ({ ...flag, deprecated: {} })),
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const [{ noUnits, REQUESTS_IN_FLIGHT }, { unitNames }, { unitArguments }, { mapLimit, messageOfItem }] =
    await Promise.all([
      import('../order-units.ts'),
      import('../unit-sources.ts'),
      import('../unit-arguments.ts'),
      import('../map-limit.ts'),
    ]);
  if (context.args.length === 0) return noUnits(context);
  const client = await context.client();
  const names = unitNames(await unitArguments(context, client, { templates: true }));
  const results = await mapLimit(names, REQUESTS_IN_FLIGHT, async (name) => {
    try {
      return (await client.deleteUnit(name)) ? 'destroyed' : 'missing';
    } catch (error) {
      warn(context, `Error destroying units: unit ${name}: ${messageOfItem(error)}`);
      return 'failed';
    }
  });
  names.forEach((name, i) => {
    if (results[i] === 'destroyed') say(context, `Destroyed ${name}`);
  });
  const missing = names.filter((_, i) => results[i] === 'missing');
  if (missing.length === names.length) warn(context, 'Units not found in registry');
  else for (const name of missing) warn(context, `Unit ${name} does not exist.`);
  return results.includes('failed') ? 1 : 0;
}
