import type { ApiUnitState } from '../../client/index.ts';
import type { CommandSpec } from '../command.ts';
import type { Context } from '../context.ts';
import { hashLegend, machineLegend } from '../legend.ts';
import { type Columns, chosenFields, printList } from '../list.ts';
import { sayWithMachines } from '../machine-json.ts';
import { FULL, fieldsFlag, LIST_OUTPUT, NO_LEGEND } from '../shared-flags.ts';

type Row = ApiUnitState & { readonly address: string; readonly hostname: string };

const COLUMNS: Columns<Row> = {
  unit: (row) => row.name,
  machine: (row, full) => (row.machineID ? machineLegend({ id: row.machineID, address: row.address }, full) : '-'),
  active: (row) => row.systemdActiveState || '-',
  sub: (row) => `${row.systemdSubState || '-'}${row.destroyed ? ' (destroyed)' : ''}`,
  load: (row) => row.systemdLoadState || '-',
  hash: (row, full) => hashLegend(row.hash, full) || '-',
  hostname: (row) => row.hostname || '-',
};

const WIDE = ['unit', 'machine', 'hostname', 'load', 'active', 'sub', 'hash'];

export const listUnits: CommandSpec = {
  name: 'list-units',
  summary: 'List the units that machines report, with their states',
  usage: '[-l|--full] [--no-legend] [--fields A,B] [UNIT...]',
  about: `A unit that was submitted and is on no machine is not among them: see list-unit-files.
A unit that was destroyed is among them until its machine has stopped it, and marked so.`,
  examples: [
    { line: 'fleetctl list-units', about: 'Every unit on every machine' },
    { line: 'fleetctl list-units --no-legend --fields unit,sub', about: 'Two columns, for a script' },
    { line: 'fleetctl list-units -o json', about: 'For a program' },
  ],
  flags: [FULL, NO_LEGEND, fieldsFlag('unit,machine,active,sub', Object.keys(COLUMNS)), LIST_OUTPUT],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const fields = chosenFields(context, COLUMNS, WIDE);
  const client = await context.client();
  if (context.flags.text('output') === 'json') {
    await sayWithMachines(context, client, await select(context, await client.states()));
    return 0;
  }
  const names = fields.includes('machine') || fields.includes('hostname');
  const [all, list] = await Promise.all([client.states(), names ? client.machines() : []]);
  const states = await select(context, all);
  const machines = new Map(list.map((machine) => [machine.id, machine]));
  const rows = states.map((state) => {
    const { primaryIP: address = '', hostname = '' } = machines.get(state.machineID) ?? {};
    return { ...state, address, hostname };
  });
  printList(context, rows, { columns: COLUMNS, fields });
  return 0;
}

async function select(context: Context, states: readonly ApiUnitState[]): Promise<readonly ApiUnitState[]> {
  if (context.args.length === 0) return states;
  const { selectUnits } = await import('../unit-arguments.ts');
  return selectUnits(context.args, states);
}
