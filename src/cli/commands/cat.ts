import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';

export const cat: CommandSpec = {
  name: 'cat',
  summary: 'Print the unit file that the cluster has',
  usage: 'UNIT',
  examples: [{ line: 'fleetctl cat hello.service', about: 'Its sections and options, without comments' }],
  flags: [],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  if (context.args.length !== 1) {
    warn(context, 'One unit file must be provided.');
    return 1;
  }
  const { cliUnitName, serializeUnitFile } = await import('../../unitfile/index.ts');
  const name = cliUnitName(context.args[0]!);
  const unit = await (await context.client()).unit(name);
  if (!unit) {
    warn(context, `Unit ${name} not found`);
    return 1;
  }
  context.io.out(serializeUnitFile(unit.options));
  return 0;
}
