import type { CommandSpec } from '../command.ts';
import { type Context, say, warn } from '../context.ts';
import { REPLACE, SIGN } from '../shared-flags.ts';

export const submit: CommandSpec = {
  name: 'submit',
  summary: 'Upload units to the cluster without running them',
  usage: '[--replace] UNIT...',
  about: `A unit that the cluster has already is left as it is, unless --replace is given and it is inactive.
A unit is a path of a unit file, or a name; ".service" may be left out.`,
  examples: [
    { line: 'fleetctl submit hello.service', about: 'One unit' },
    { line: 'fleetctl submit web/*', about: 'All unit files of a directory' },
    { line: 'fleetctl submit --replace worker@.service', about: 'A new version of a template' },
  ],
  flags: [REPLACE, SIGN],
  arguments: 'files',
  run,
};

async function run(context: Context): Promise<number> {
  const [
    { noUnits, REQUESTS_IN_FLIGHT, sendTemplates },
    { sourceUnits },
    { mapLimit, messageOfItem },
    { unitArguments },
  ] = await Promise.all([
    import('../order-units.ts'),
    import('../unit-sources.ts'),
    import('../map-limit.ts'),
    import('../unit-arguments.ts'),
  ]);
  if (context.args.length === 0) return noUnits(context);
  const client = await context.client();
  const replace = context.flags.bool('replace');
  const args = await unitArguments(context, client, { templates: true });
  const options = { args, state: 'inactive', replace, replaceable: ['inactive'] } as const;
  const { units, templates } = await sourceUnits(context, client, options);
  if (!(await sendTemplates(context, client, templates))) return 1;
  const results = await mapLimit(units, REQUESTS_IN_FLIGHT, async ({ name, file, refused }) => {
    if (!file) return !refused;
    try {
      await client.putUnit(name, { name, desiredState: 'inactive', ...file });
      say(context, `Unit ${name} inactive`);
      return true;
    } catch (error) {
      warn(context, `Error creating units: failed creating unit ${name}: ${messageOfItem(error)}`);
      return false;
    }
  });
  return results.every(Boolean) ? 0 : 1;
}
