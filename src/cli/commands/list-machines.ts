import type { ApiMachine } from '../../client/index.ts';
import { FlotillaError } from '../../lib/index.ts';
import { matchesGlob } from '../../model/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, sayJson } from '../context.ts';
import { machineIdLegend } from '../legend.ts';
import { type Columns, chosenFields, printList } from '../list.ts';
import { FULL, fieldsFlag, NO_LEGEND, OUTPUT } from '../shared-flags.ts';

const COLUMNS: Columns<ApiMachine> = {
  machine: (machine, full) => machineIdLegend(machine.id, full),
  ip: (machine) => machine.primaryIP || '-',
  metadata: (machine) => formatMetadata(machine.metadata),
};

export const listMachines: CommandSpec = {
  name: 'list-machines',
  summary: 'List the machines of the cluster',
  usage: '[-l|--full] [--no-legend] [--fields A,B] [MACHINE...]',
  examples: [
    { line: 'fleetctl list-machines', about: 'Every machine that is alive' },
    { line: 'fleetctl list-machines --no-legend --full --fields machine', about: 'Their whole ids, for a script' },
  ],
  flags: [FULL, NO_LEGEND, fieldsFlag('machine,ip,metadata', Object.keys(COLUMNS)), OUTPUT],
  arguments: 'machines',
  run,
};

async function run(context: Context): Promise<number> {
  const fields = chosenFields(context, COLUMNS);
  const machines = select(context.args, await (await context.client()).machines());
  if (context.flags.text('output') === 'json') sayJson(context, machines);
  else printList(context, machines, { columns: COLUMNS, fields });
  return 0;
}

/** Those that an argument means: the beginning of an id, an address, or a pattern of either. */
function select(args: readonly string[], machines: readonly ApiMachine[]): readonly ApiMachine[] {
  if (args.length === 0) return machines;
  const means = (arg: string, { id, primaryIP }: ApiMachine) =>
    matchesGlob(arg, id) || matchesGlob(arg, primaryIP) || (arg !== '' && id.startsWith(arg.replace(/\.{3}$/, '')));
  for (const arg of args)
    if (!machines.some((machine) => means(arg, machine)))
      throw new FlotillaError(
        'invalid',
        `no machine of the cluster is ${arg}: give the beginning of its id or its address`,
      );
  return machines.filter((machine) => args.some((arg) => means(arg, machine)));
}

function formatMetadata(metadata: ApiMachine['metadata'] | undefined): string {
  const pairs = Object.entries(metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([key, value]) => `${key}=${value}`).join(',') || '-';
}
