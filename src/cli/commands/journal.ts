import type { ApiPlacement, ApiUnitSummary, FleetClient } from '../../client/index.ts';
import { isFlotillaError } from '../../lib/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';
import { machineLegend } from '../legend.ts';
import { MACHINE, SSH_PORT } from '../shared-flags.ts';

export const journal: CommandSpec = {
  name: 'journal',
  summary: "Print a unit's journal, from the machine it is on",
  usage: '[--lines N] [-f|--follow] [--output FORMAT] [--machine M] UNIT...',
  about:
    'As journalctl prints it. Of several units, or a unit on every machine, each is printed under its name and machine.',
  examples: [
    { line: 'fleetctl journal hello.service', about: 'The last ten lines' },
    { line: 'fleetctl journal --lines 100 -f hello.service', about: 'The last hundred, and new ones until Ctrl-C' },
    { line: 'fleetctl journal --output cat hello.service', about: 'Just what it printed' },
  ],
  flags: [
    { name: 'lines', short: 'n', kind: 'count', value: 'N', default: '10', about: 'How many of the newest lines' },
    { name: 'follow', short: 'f', kind: 'bool', about: 'Go on with new lines as they come, until Ctrl-C' },
    {
      name: 'output',
      short: 'o',
      kind: 'text',
      value: 'FORMAT',
      default: 'short',
      about: 'As journalctl has it: short, short-iso, cat, json...',
    },
    MACHINE,
    { name: 'sudo', kind: 'bool', about: 'Not needed: the machine reads its own journal', deprecated: {} },
    SSH_PORT,
  ],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  if (context.args.length === 0) {
    warn(context, 'One unit file must be provided.');
    return 1;
  }
  const [{ unitArguments }, { unitNames }] = await Promise.all([
    import('../unit-arguments.ts'),
    import('../unit-sources.ts'),
  ]);
  const client = await context.client();
  const names = unitNames(await unitArguments(context, client));
  const units = new Map((await client.summaries(names)).map((unit) => [unit.name, unit]));
  const { machineIdFor } = await import('../pick-machine.ts');
  const wanted = await machineIdFor(client, context.flags.text('machine'));
  const sources: Source[] = [];
  let missing = 0;
  for (const name of names) {
    const found = sourcesOf(context, { name, wanted }, units.get(name));
    sources.push(...found);
    if (found.length === 0) missing++;
  }
  if (sources.length === 0) return 1;
  const status = await print(context, client, { sources, withNames: names.length > 1 });
  return missing > 0 ? 1 : status;
}

/** The journal of one unit on one machine. */
interface Source {
  readonly name: string;
  readonly placement: ApiPlacement;
}

/** Lists the machines on which the unit has a journal; prints the reason when there is none. */
function sourcesOf(
  context: Context,
  { name, wanted }: { readonly name: string; readonly wanted: string },
  unit: ApiUnitSummary | undefined,
): Source[] {
  const problem = unit ? notRunning(unit) : `Unit ${name} does not exist.`;
  if (!unit || problem !== undefined) {
    warn(context, problem!);
    return [];
  }
  const placements = unit.placements.filter((placement) => placement.machineID.startsWith(wanted));
  if (placements.length === 0) {
    const where = unit.placements.map(legend).join(', ');
    warn(context, `Unit ${name} is on no machine ${context.flags.text('machine')}; it is on ${where}`);
  }
  return placements.map((placement) => ({ name, placement }));
}

function notRunning({ name, global, currentState, placements }: ApiUnitSummary): string | undefined {
  const running = placements.length > 0 && (global || currentState !== 'inactive');
  return running ? undefined : `Unit ${name} does not appear to be running.`;
}

/** Prints one journal unchanged; several one after the other, or, when followed, line by line as they come. */
async function print(
  context: Context,
  client: FleetClient,
  { sources, withNames }: { readonly sources: readonly Source[]; readonly withNames: boolean },
): Promise<number> {
  const follow = context.flags.bool('follow');
  const heading = sources.length > 1;
  let last = '';
  let failed = false;
  const copy = async ({ name, placement }: Source) => {
    const machine = legend(placement);
    const place = withNames ? `${name} on ${machine}` : machine;
    try {
      for await (const text of read(context, client, { name, machine: placement.machineID })) {
        if (heading && last !== place) context.io.out(`${last === '' ? '' : '\n'}==> ${place}\n`);
        last = place;
        // journalctl escapes unprintable messages itself, except in formats meant for programs.
        (context.io.outIsTerminal() ? context.io : context.io.raw).out(text);
      }
    } catch (error) {
      if (!heading || !isFlotillaError(error)) throw error;
      failed = true;
      warn(context, `Unit ${name}: ${machine}: ${error.message}`);
    }
  };
  if (follow) await Promise.all(sources.map(copy));
  else for (const source of sources) await copy(source);
  return failed ? 1 : 0;
}

/** Yields the journal in pieces that end with a whole line, so that machines do not mix within one. */
async function* read(
  context: Context,
  client: FleetClient,
  source: { readonly name: string; readonly machine: string },
): AsyncGenerator<string> {
  const { flags } = context;
  const options = {
    machine: source.machine,
    lines: flags.count('lines'),
    follow: flags.bool('follow'),
    output: flags.text('output'),
  };
  let rest = '';
  for await (const chunk of client.journal(source.name, options)) {
    const text = rest + chunk;
    const end = text.lastIndexOf('\n') + 1;
    rest = text.slice(end);
    if (end > 0) yield text.slice(0, end);
  }
  if (rest !== '') yield `${rest}\n`;
}

function legend(placement: ApiPlacement): string {
  return machineLegend({ id: placement.machineID, address: placement.address });
}
