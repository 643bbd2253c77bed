import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';

export const cat: CommandSpec = {
  name: 'cat',
  summary: 'Print the unit file that the cluster has',
  usage: 'UNIT...',
  about: `Of several units each begins with its name in a comment. A file edited in its comments alone
is the same unit to the cluster, which keeps the comments that it has: destroy the unit first.`,
  examples: [{ line: 'fleetctl cat hello.service', about: 'The file as it was submitted, comments included' }],
  flags: [],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  if (context.args.length === 0) {
    warn(context, 'One unit file must be provided.');
    return 1;
  }
  const [{ serializeUnitFile }, { unitArguments }, { unitNames }] = await Promise.all([
    import('../../unitfile/index.ts'),
    import('../unit-arguments.ts'),
    import('../unit-sources.ts'),
  ]);
  const client = await context.client();
  const names = unitNames(await unitArguments(context, client, { templates: true }));
  let missing = 0;
  for (const [i, name] of names.entries()) {
    const unit = await client.unit(name);
    if (!unit) {
      warn(context, `Unit ${name} not found`);
      missing++;
      continue;
    }
    if (names.length > 1) context.io.out(`${i > 0 ? '\n' : ''}# ${name}\n`);
    context.io.raw.out(unit.submitted ?? serializeUnitFile(unit.options));
  }
  return missing > 0 ? 1 : 0;
}
