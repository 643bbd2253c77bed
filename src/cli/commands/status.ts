import type { ApiUnitStatusReport, FleetClient } from '../../client/index.ts';
import { isFlotillaError } from '../../lib/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';
import { machineLegend } from '../legend.ts';
import { sayWithMachines } from '../machine-json.ts';
import { MACHINE, OUTPUT, SSH_PORT } from '../shared-flags.ts';

export const status: CommandSpec = {
  name: 'status',
  summary: 'Print what systemd says of units, from the machines they are on',
  usage: '[--machine M] [--lines N] UNIT...',
  about: `As systemctl status -l on the unit's machine prints it, with its exit status: 0 active, 3 not.
A unit that is on every machine is printed for each.`,
  examples: [
    { line: 'fleetctl status hello.service', about: 'State, processes and the last lines of the journal' },
    { line: 'fleetctl status --machine 85c0 agent.service', about: 'A global unit on one machine' },
  ],
  flags: [
    MACHINE,
    { name: 'lines', short: 'n', kind: 'count', value: 'N', default: '10', about: 'How many lines of the journal' },
    OUTPUT,
    { name: 'no-block', kind: 'bool', about: 'Nothing is waited for', deprecated: {} },
    SSH_PORT,
  ],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const { noUnits } = await import('../order-units.ts');
  if (context.args.length === 0) return noUnits(context);
  const [{ unitArguments }, { cliUnitName }] = await Promise.all([
    import('../unit-arguments.ts'),
    import('../../unitfile/index.ts'),
  ]);
  const client = await context.client();
  const args = await unitArguments(context, client);
  const reports = await Promise.all(args.map((arg) => ask(context, client, cliUnitName(arg))));
  const found = reports.filter((report) => report !== undefined);
  if (context.flags.text('output') === 'json') await sayFields(context, client, found);
  else for (const [i, report] of found.entries()) print(context, report, i === 0);
  if (found.length < reports.length) return 1;
  return Math.max(
    ...found.flatMap(({ reports }) => reports.map((one) => (one.error === undefined ? one.exitCode : 1))),
  );
}

/** Prints the machines' reports as fields, besides their text. */
async function sayFields(context: Context, client: FleetClient, found: readonly ApiUnitStatusReport[]): Promise<void> {
  const summaries = await client.summaries(found.map(({ name }) => name));
  const units = found.map(({ name, reports }) => {
    const { hash, description, desiredState, placements = [] } = summaries.find((unit) => unit.name === name) ?? {};
    const fields = reports.map((report) => {
      const placement = placements.find(({ machineID }) => machineID === report.machineID);
      const { load, active, sub, note, exit } = placement?.status ?? {};
      const { machineID, address, ...said } = report;
      return { machineID, address, load, active, sub, note, exit, ...said };
    });
    return { name, hash, description, desiredState, reports: fields };
  });
  await sayWithMachines(context, client, units);
}

/** Returns the unit's report; undefined, after an error message, when there is none. */
async function ask(context: Context, client: FleetClient, name: string): Promise<ApiUnitStatusReport | undefined> {
  const { machineIdFor } = await import('../pick-machine.ts');
  const machine = await machineIdFor(client, context.flags.text('machine'));
  const lines = context.flags.count('lines');
  try {
    const report = await client.status(name, { lines, ...(machine ? { machine } : {}) });
    if (report.reports.length > 0) return report;
    warn(context, `Unit ${name} does not appear to be loaded.`);
  } catch (error) {
    if (isFlotillaError(error, 'not-found')) warn(context, elsewhere(name, error.message));
    else if (isFlotillaError(error, 'conflict')) warn(context, `Unit ${name} does not appear to be loaded.`);
    else throw error;
  }
  return undefined;
}

/** A unit that exists, but not on the requested machine, is reported by the API with its place. */
function elsewhere(name: string, message: string): string {
  return message.startsWith(`unit ${name} is not on machine`) ? `U${message.slice(1)}` : `Unit ${name} does not exist.`;
}

function print(context: Context, { name, reports }: ApiUnitStatusReport, first: boolean): void {
  reports.forEach((report, i) => {
    if (!first || i > 0) context.io.out('\n');
    const machine = machineLegend({ id: report.machineID, address: report.address });
    if (reports.length > 1) context.io.out(`==> ${machine}\n`);
    if (report.error !== undefined) warn(context, `Unit ${name}: ${machine} does not answer: ${report.error}`);
    else context.io.out(report.text.endsWith('\n') || report.text === '' ? report.text : `${report.text}\n`);
  });
}
