import type { ApiMachine } from '../../client/index.ts';
import { FlotillaError } from '../../lib/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, sayJson } from '../context.ts';
import { machineIdLegend } from '../legend.ts';
import { type Columns, chosenFields, printList } from '../list.ts';
import { machineJson } from '../machine-json.ts';
import { machinesLike } from '../pick-machine.ts';
import { FULL, fieldsFlag, LIST_OUTPUT, NO_LEGEND } from '../shared-flags.ts';

const COLUMNS: Columns<ApiMachine> = {
  machine: (machine, full) => machineIdLegend(machine.id, full),
  ip: (machine) => machine.primaryIP || '-',
  metadata: (machine) => formatMetadata(machine.metadata),
  hostname: (machine) => machine.hostname ?? '-',
  version: (machine) => machine.version ?? '-',
};

const WIDE = ['machine', 'hostname', 'ip', 'version', 'metadata'];

export const listMachines: CommandSpec = {
  name: 'list-machines',
  summary: 'List the machines of the cluster',
  usage: '[-l|--full] [--no-legend] [--fields A,B] [MACHINE...]',
  examples: [
    { line: 'fleetctl list-machines', about: 'Every machine that is alive' },
    { line: 'fleetctl list-machines -o wide', about: 'With their names and versions' },
    { line: 'fleetctl list-machines --no-legend --full --fields machine', about: 'Their whole ids, for a script' },
  ],
  flags: [FULL, NO_LEGEND, fieldsFlag('machine,ip,metadata', Object.keys(COLUMNS)), LIST_OUTPUT],
  arguments: 'machines',
  run,
};

async function run(context: Context): Promise<number> {
  const fields = chosenFields(context, COLUMNS, WIDE);
  const machines = select(context.args, await (await context.client()).machines());
  if (context.flags.text('output') === 'json')
    sayJson(
      context,
      machines.map((machine) => ({ ...machine, ...machineJson(machine.id, machines) })),
    );
  else printList(context, machines, { columns: COLUMNS, fields });
  return 0;
}

/** Selects the machines that an argument means: a name, an address, the beginning of an id, or a pattern. */
function select(args: readonly string[], machines: readonly ApiMachine[]): readonly ApiMachine[] {
  if (args.length === 0) return machines;
  const meant = new Set<ApiMachine>();
  for (const arg of args) {
    const found = machinesLike(machines, arg);
    for (const machine of found) meant.add(machine);
    if (found.length > 0) continue;
    const hint = 'give its name, its address or the beginning of its id';
    throw new FlotillaError('invalid', `no machine of the cluster is ${arg}: ${hint}`);
  }
  return machines.filter((machine) => meant.has(machine));
}

function formatMetadata(metadata: ApiMachine['metadata'] | undefined): string {
  const pairs = Object.entries(metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([key, value]) => `${key}=${value}`).join(',') || '-';
}
