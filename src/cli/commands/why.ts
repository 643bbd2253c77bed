import type { ApiWhy } from '../../client/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, say, sayJson, warn } from '../context.ts';
import { machineLegend } from '../legend.ts';
import { NO_LEGEND, OUTPUT } from '../shared-flags.ts';
import { formatTable } from '../table.ts';

export const why: CommandSpec = {
  name: 'why',
  summary: 'Say why a unit is where it is, or why no machine takes it',
  usage: 'UNIT',
  examples: [{ line: 'fleetctl why hello.service', about: 'Each machine, and what speaks against it' }],
  flags: [NO_LEGEND, OUTPUT],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  if (context.args.length !== 1) {
    warn(context, 'One unit must be provided.');
    return 1;
  }
  const [{ cliUnitName }, { isFlotillaError }] = await Promise.all([
    import('../../unitfile/index.ts'),
    import('../../lib/index.ts'),
  ]);
  const name = cliUnitName(context.args[0]!);
  try {
    const answer = await (await context.client()).why(name);
    if (context.flags.text('output') === 'json') sayJson(context, answer);
    else print(context, answer);
    return 0;
  } catch (error) {
    if (!isFlotillaError(error, 'not-found')) throw error;
    warn(context, `Unit ${name} does not exist.`);
    return 1;
  }
}

function print(context: Context, answer: ApiWhy): void {
  const here = new Map(answer.placements.map((placement) => [placement.machineID, placement.reason]));
  const rows = answer.machines.map((machine) => [
    machineLegend({ id: machine.machineID, address: machine.address }),
    String(machine.units),
    here.has(machine.machineID) ? `here: ${here.get(machine.machineID)}` : (machine.reason ?? 'could run it'),
  ]);
  const legend = context.flags.bool('no-legend') ? [] : [['MACHINE', 'UNITS', 'WHY']];
  context.io.out(formatTable([...legend, ...rows]));
  const sentence = answer.summary.startsWith(answer.name) ? answer.summary : `${answer.name}: ${answer.summary}`;
  say(context, sentence);
}
