import type { ApiEvent } from '../../client/index.ts';
import type { CommandSpec } from '../command.ts';
import type { Context } from '../context.ts';
import { OUTPUT } from '../shared-flags.ts';

type Happened = Extract<ApiEvent, { type: 'happened' }>;

export const events: CommandSpec = {
  name: 'events',
  summary: 'Print what happened in the cluster',
  usage: '[-f|--follow] [-n|--lines N] [UNIT...]',
  examples: [
    { line: 'fleetctl events -f', about: 'The last ten, and new ones until Ctrl-C' },
    { line: 'fleetctl events -n 50 hello.service', about: 'What became of one unit' },
  ],
  flags: [
    { name: 'follow', short: 'f', kind: 'bool', about: 'Go on with new ones as they come, until Ctrl-C' },
    {
      name: 'lines',
      short: 'n',
      kind: 'count',
      value: 'N',
      default: '10',
      about: 'How many of the newest to begin with',
    },
    OUTPUT,
  ],
  arguments: 'units',
  run,
};

async function run(context: Context): Promise<number> {
  const { unitNames } = await import('../unit-sources.ts');
  const client = await context.client();
  const abort = new AbortController();
  const options = {
    units: unitNames(context.args),
    happenings: { history: context.flags.count('lines') },
    signal: abort.signal,
  };
  const past: Happened[] = [];
  let live = false;
  for await (const event of client.events(options)) {
    // The past has no times of its own; what comes after it happens now.
    if (event.type === 'happened' && live) context.io.out(format(context, { atMs: context.clock.now(), ...event }));
    else if (event.type === 'happened') past.push(event);
    if (event.type !== 'ready') continue;
    live = true;
    // Something may happen while the past is told; whoever asks for the last ten gets ten.
    const last = past.splice(0).slice(context.flags.bool('follow') ? 0 : -options.happenings.history || Infinity);
    context.io.out(last.map((happened) => format(context, happened)).join(''));
    if (!context.flags.bool('follow')) break;
  }
  abort.abort();
  return 0;
}

function format(context: Context, event: Happened): string {
  if (context.flags.text('output') === 'json') return `${JSON.stringify(event)}\n`;
  return `${event.atMs === undefined ? '-' : localTime(event.atMs)}\t${event.sentence}\n`;
}

/** `2015-07-04 10:22:31`, in the zone of whoever reads it. */
function localTime(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
