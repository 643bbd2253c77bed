import type { ApiHappened, FleetClient } from '../../client/index.ts';
import { FlotillaError } from '../../lib/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';
import { OUTPUT } from '../shared-flags.ts';

/** The API's limit for past events. */
const AT_MOST = 1000;

export const events: CommandSpec = {
  name: 'events',
  summary: 'Print what happened in the cluster',
  usage: '[-f|--follow] [-n|--lines N] [--since TIME] [--machine M] [UNIT...]',
  about: `One line for each thing that happened, oldest first: the time at which it was
written down, and a sentence; -o json prints one object a line, with fields.
"~" before a time: nobody wrote it down, it happened then or before. "-": nobody
knows. The past reaches back as far as the store's history does (see etcd's
auto-compaction); TIME is 10m (ago), 14:30, today or "2026-11-28 14:30".`,
  examples: [
    { line: 'fleetctl events -f', about: 'The last ten, and new ones until Ctrl-C' },
    { line: 'fleetctl events -n 50 hello.service', about: 'What became of one unit' },
    { line: 'fleetctl events --since 1h --machine web-1', about: 'One machine, the last hour' },
  ],
  flags: [
    { name: 'follow', short: 'f', kind: 'bool', about: 'Go on with new ones as they come, until Ctrl-C' },
    {
      name: 'lines',
      short: 'n',
      kind: 'count',
      value: 'N',
      default: '10',
      about: 'How many of the newest; 1000 with --since or --until',
    },
    { name: 'since', kind: 'text', value: 'TIME', about: 'Only what happened since then' },
    { name: 'until', kind: 'text', value: 'TIME', about: 'Only what happened until then' },
    { name: 'unit', kind: 'text', value: 'A,B', about: 'Only these units, as UNIT' },
    { name: 'machine', kind: 'text', value: 'M', about: 'Only this machine, and units there', offers: 'machines' },
    OUTPUT,
  ],
  arguments: 'units',
  run,
};

interface Wanted {
  readonly units: readonly string[];
  readonly machine: string;
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly history: number;
  readonly follow: boolean;
}

async function run(context: Context): Promise<number> {
  if (context.flags.bool('follow') && context.flags.has('until')) {
    throw new FlotillaError('usage', '--follow goes on until Ctrl-C, and --until ends before: give one of them');
  }
  const client = await context.client();
  const wanted = await readLine(context, client);
  const abort = new AbortController();
  const past: ApiHappened[] = [];
  let live = false;
  const { units, history, machine, sinceMs, untilMs, follow } = wanted;
  const happenings = { history, machine, sinceMs, untilMs };
  for await (const event of client.events({ units, happenings, signal: abort.signal })) {
    if (event.type === 'happened' && live) context.io.out(format(context, event));
    else if (event.type === 'happened') past.push(event);
    if (event.type !== 'ready') continue;
    live = true;
    if (!follow && past.length === 0 && !(await isMachine(context, client))) return end(abort, 1);
    if (!follow && !(await areKnown(context, client, { units, past }))) return end(abort, 1);
    if (event.compactedAt !== undefined) sayCompacted(context, event.compactedAt);
    // With -n the user asked for no more and misses nothing.
    if (event.limited && (past.length < history || history >= AT_MOST)) sayLimited(context, past.length);
    // New events may come while the past is printed; `-n 10` prints ten.
    const last = past.splice(0).slice(follow ? 0 : -history || Infinity);
    context.io.out(last.map((happened) => format(context, happened)).join(''));
    if (!follow) break;
  }
  return end(abort, 0);
}

function end(abort: AbortController, status: number): number {
  abort.abort();
  return status;
}

async function readLine(context: Context, client: FleetClient): Promise<Wanted> {
  const [{ unitArguments }, { unitNames }, { machineIdFor }, { pointInTime }] = await Promise.all([
    import('../unit-arguments.ts'),
    import('../unit-sources.ts'),
    import('../pick-machine.ts'),
    import('../point-in-time.ts'),
  ]);
  const { flags } = context;
  const named = flags
    .text('unit')
    .split(',')
    .filter((name) => name.trim() !== '');
  const time = (name: string) =>
    flags.has(name) ? pointInTime(name, flags.text(name), context.clock.now()) : undefined;
  const [sinceMs, untilMs] = [time('since'), time('until')];
  const isPeriod = sinceMs !== undefined || untilMs !== undefined;
  return {
    units: unitNames(await unitArguments({ ...context, args: [...context.args, ...named] }, client)),
    machine: await machineIdFor(client, flags.text('machine')),
    sinceMs,
    untilMs,
    history: isPeriod && !flags.has('lines') ? AT_MOST : flags.count('lines'),
    follow: flags.bool('follow'),
  };
}

/** Returns false, after an error message, when a unit is neither in the cluster nor in its remembered history. */
async function areKnown(
  context: Context,
  client: FleetClient,
  { units, past }: { readonly units: readonly string[]; readonly past: readonly ApiHappened[] },
): Promise<boolean> {
  const told = new Set(past.map(({ name }) => name));
  const untold = units.filter((name) => !told.has(name));
  if (untold.length === 0) return true;
  const there = new Set((await client.summaries(untold)).map(({ name }) => name));
  const unknown = untold.filter((name) => !there.has(name));
  for (const name of unknown)
    warn(context, `Unit ${name} does not exist, and no event of it is remembered: see fleetctl list-unit-files`);
  return unknown.length === 0;
}

/**
 * Returns false, after an error message, when --machine matches no event and no present machine, and cannot be one that
 * has left.
 */
async function isMachine(context: Context, client: FleetClient): Promise<boolean> {
  const text = context.flags.text('machine');
  if (text === '' || /^[0-9a-f]{32}$/.test(text)) return true;
  const { matchingMachines } = await import('../pick-machine.ts');
  if (matchingMachines(await client.machines(), text).length > 0) return true;
  warn(context, `no machine is ${text}, and none of these events is about one that was: see fleetctl list-machines`);
  return false;
}

function sayCompacted(context: Context, revision: number): void {
  warn(context, `Nothing before revision ${revision} is known: the store has been compacted up to it`);
}

function sayLimited(context: Context, count: number): void {
  const where = `these are the last ${count} of those in the newest 10000 revisions`;
  warn(context, `Older events are left out: ${where}; others may show with UNIT, --machine or --until`);
}

function format(context: Context, event: ApiHappened): string {
  if (context.flags.text('output') === 'json') return `${JSON.stringify(event)}\n`;
  const time = event.atMs === undefined ? '-' : `${event.approximate ? '~' : ''}${localTime(event.atMs)}`;
  return `${time}\t${event.sentence}\n`;
}

/** Formats `2015-07-04 10:22:31` in the user's time zone. */
function localTime(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
