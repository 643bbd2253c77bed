import type { ApiUnitSummary } from '../../client/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';
import { hashLegend, machineLegend } from '../legend.ts';
import { type Columns, chosenFields, printList } from '../list.ts';
import { sayWithMachines } from '../machine-json.ts';
import { FULL, fieldsFlag, LIST_OUTPUT, NO_LEGEND } from '../shared-flags.ts';

const WIDE = ['unit', 'hash', 'dstate', 'state', 'target', 'global', 'desc'];

const COLUMNS: Columns<ApiUnitSummary> = {
  unit: (unit) => unit.name,
  hash: (unit, full) => hashLegend(unit.hash, full),
  dstate: (unit) => unit.desiredState || '-',
  state: (unit) => (unit.global ? '-' : unit.currentState || '-'),
  target,
  tmachine: target,
  global: (unit) => String(unit.global),
  desc: (unit) => unit.description || '-',
};

export const listUnitFiles: CommandSpec = {
  name: 'list-unit-files',
  summary: 'List the units that the cluster knows, whether they are on a machine or not',
  usage: '[--full] [--no-legend] [--fields A,B] [UNIT...]',
  examples: [
    { line: 'fleetctl list-unit-files', about: 'Every unit, what it shall be (DSTATE) and what it is (STATE)' },
    { line: 'fleetctl list-unit-files --fields unit,desc', about: 'With their descriptions' },
  ],
  flags: [FULL, NO_LEGEND, fieldsFlag('unit,hash,dstate,state,target', Object.keys(COLUMNS)), LIST_OUTPUT],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const fields = chosenFields(context, COLUMNS, WIDE);
  if (fields.includes('tmachine')) {
    warn(context, 'WARNING: The "tmachine" field is deprecated. Use "target" instead');
  }
  const client = await context.client();
  const all = await client.summaries();
  const units = context.args.length === 0 ? all : (await import('../unit-arguments.ts')).selectUnits(context.args, all);
  if (context.flags.text('output') === 'json') await sayWithMachines(context, client, units);
  else printList(context, units, { columns: COLUMNS, fields });
  return 0;
}

function target(unit: ApiUnitSummary, full: boolean): string {
  if (unit.global) return 'global';
  const placement = unit.placements[0];
  return placement ? machineLegend({ id: placement.machineID, address: placement.address }, full) : '-';
}
