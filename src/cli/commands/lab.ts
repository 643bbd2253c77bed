import type { CommandSpec, Subcommand } from '../command.ts';
import type { Context } from '../context.ts';

const PARTS: readonly Subcommand[] = [
  {
    name: 'up',
    usage: '[--machines 3] [--detach] [--port-base PORT] [--metadata K=V,...]',
    about: 'Start the store and the machines; Ctrl-C stops them unless --detach',
    flags: ['machines', 'detach', 'port', 'port-base', 'metadata', 'machine', 'set', 'agent-ttl'],
    examples: [
      { line: 'fleetctl lab up --machines 3 --detach', about: 'Three machines in the background' },
      { line: 'fleetctl lab up --metadata region=eu --machine 3:region=us', about: 'Something to place units by' },
    ],
  },
  {
    name: 'down',
    usage: '[--wipe]',
    about: 'Stop everything; with --wipe also delete its units and data',
    flags: ['wipe'],
    examples: [{ line: 'fleetctl lab down --wipe', about: 'Leave nothing behind' }],
  },
  {
    name: 'status',
    usage: '[-o json]',
    about: 'Print the machines with their numbers, states and endpoints, and who leads',
    flags: ['output'],
    examples: [{ line: 'fleetctl lab status -o json', about: 'For a program' }],
  },
  {
    name: 'kill',
    ofLab: true,
    usage: 'N... [--daemon-only]',
    about: 'Cut the power of machines; with --daemon-only kill just their fleetd',
    flags: ['daemon-only'],
    examples: [{ line: 'fleetctl lab kill 1', about: 'See its units move' }],
  },
  {
    name: 'revive',
    ofLab: true,
    usage: 'N...',
    about: 'Bring killed machines back',
    flags: [],
    examples: [{ line: 'fleetctl lab revive 1 2', about: 'Both, side by side' }],
  },
  {
    name: 'outage',
    usage: '',
    about: 'Cut the power of everything at once',
    flags: [],
    examples: [{ line: 'fleetctl lab outage', about: 'Then see what lab restore brings back' }],
  },
  {
    name: 'restore',
    ofLab: true,
    usage: '[N...]',
    about: 'Bring the store and all machines back, or only those named',
    flags: [],
    examples: [{ line: 'fleetctl lab restore 1 2', about: 'The store, and two machines' }],
  },
];

export const lab: CommandSpec = {
  name: 'lab',
  summary: 'Run a whole cluster on this computer, and break it',
  usage: `${PARTS.map(({ name }) => name).join('|')} ...`,
  about: `A store and machines at 127.0.1.1, 127.0.1.2 and so on, each a fleetd of its own. N is a machine's number, its name
(m1), its address or the beginning of its id. The lab lives in $FLOTILLA_LAB, by default ~/.local/state/flotilla/lab.

--metadata is of all machines, --machine adds some to one; --set is any other setting of fleetd. They are kept for the next
start; an empty V takes one back. With --port-base the API, the store, Consul's API, DNS, HTTP and HTTPS take six ports from
there on. A port that is taken is replaced by the one from before, or a free one, and that is told.`,
  subcommands: PARTS,
  examples: PARTS.flatMap(({ examples }) => examples),
  flags: [
    { name: 'machines', kind: 'count', value: 'N', default: '3', about: 'How many machines (up)' },
    { name: 'detach', kind: 'bool', about: 'Leave the cluster running and return (up)' },
    { name: 'port', kind: 'count', value: 'PORT', default: '49153', about: "TCP port of the machines' API (up)" },
    { name: 'port-base', kind: 'count', value: 'PORT', about: 'First of six ports, for everything (up)' },
    { name: 'metadata', kind: 'text', value: 'K=V,...', about: 'Metadata of all machines (up)' },
    { name: 'machine', kind: 'text', value: 'N:K=V,...', about: 'More metadata, of machine N (up)' },
    {
      name: 'set',
      kind: 'text',
      value: '[N:]SETTING=V',
      about: "Another setting of fleetd, all machines' or N's (up)",
    },
    { name: 'agent-ttl', kind: 'duration', value: 'TIME', default: '5s', about: 'When a silent machine is dead (up)' },
    { name: 'daemon-only', kind: 'bool', about: 'Kill fleetd alone; its units live on (kill)' },
    { name: 'wipe', kind: 'bool', about: 'Delete units and data as well (down)' },
    {
      name: 'output',
      short: 'o',
      kind: 'text',
      value: 'FORMAT',
      choices: ['text', 'json'],
      about: 'json for programs (status)',
    },
  ],
  arguments: PARTS.map(({ name }) => name),
  raw: true,
  run,
};

const HELP: ReadonlySet<string> = new Set(['-h', '--help', '-help']);

async function run(context: Context): Promise<number> {
  const [verb, ...more] = context.args;
  if (verb === undefined || verb === 'help' || context.args.some((arg) => HELP.has(arg))) {
    const { helpOf } = await import('../help-text.ts');
    context.io.out(helpOf(lab, verb === 'help' ? more[0] : verb));
    return 0;
  }
  // A separate bundle beside fleetctl's, which no other command loads.
  const { runLab } = await import('../../lab/index.ts');
  return runLab(context.args, context.io);
}
