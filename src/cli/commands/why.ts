import type { ApiWhy, FleetClient } from '../../client/index.ts';
import { isFlotillaError } from '../../lib/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, say, warn } from '../context.ts';
import { machineLegend } from '../legend.ts';
import { sayWithMachines } from '../machine-json.ts';
import { NO_LEGEND, OUTPUT } from '../shared-flags.ts';
import { formatTable } from '../table.ts';

/** A global unit may have failed on every machine. */
const FAILURES_AT_MOST = 3;
const LINES = 10;

export const why: CommandSpec = {
  name: 'why',
  summary: 'Say why a unit is where it is, or why no machine takes it',
  usage: 'UNIT...',
  examples: [{ line: 'fleetctl why hello.service', about: 'Each machine, and what speaks against it' }],
  flags: [NO_LEGEND, OUTPUT],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  if (context.args.length === 0) {
    warn(context, 'One unit must be provided.');
    return 1;
  }
  const [{ unitArguments }, { unitNames }] = await Promise.all([
    import('../unit-arguments.ts'),
    import('../unit-sources.ts'),
  ]);
  const client = await context.client();
  const names = unitNames(await unitArguments(context, client, { templates: true }));
  const answers = await Promise.all(names.map((name) => ask(context, client, name)));
  const found = answers.filter((answer) => answer !== undefined);
  if (context.flags.text('output') === 'json')
    for (const answer of found) await sayWithMachines(context, client, answer);
  else
    for (const [i, answer] of found.entries()) {
      if (i > 0) context.io.out('\n');
      print(context, answer);
      await printFailures(context, client, answer);
    }
  return found.length < names.length ? 1 : 0;
}

/** Returns the response; undefined, after an error message, when the unit does not exist. */
async function ask(context: Context, client: FleetClient, name: string): Promise<ApiWhy | undefined> {
  try {
    return await client.why(name);
  } catch (error) {
    if (!isFlotillaError(error, 'not-found')) throw error;
    warn(context, `Unit ${name} does not exist.`);
    return undefined;
  }
}

/** Prints, for each machine on which the unit has failed, systemd's facts and the last lines of the log. */
async function printFailures(context: Context, client: FleetClient, { name, placements }: ApiWhy): Promise<void> {
  if (placements.length === 0) return;
  const [unit] = await client.summaries([name]);
  const failed = unit?.placements.filter(({ status }) => status?.active === 'failed') ?? [];
  for (const { machineID, address } of failed.slice(0, FAILURES_AT_MOST)) {
    const machine = machineLegend({ id: machineID, address });
    const { describeFailure } = await import('../explain-unit.ts');
    const failure = `It has failed on ${machine}${await describeFailure(client, name, machineID)}.`;
    try {
      let text = '';
      for await (const chunk of client.journal(name, { machine: machineID, lines: LINES })) text += chunk;
      say(context, `${failure} Its last lines there:`);
      context.io.out(text);
    } catch (error) {
      if (!isFlotillaError(error)) throw error;
      say(context, failure);
      warn(context, `Unit ${name}: ${machine}: ${error.message}`);
    }
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
