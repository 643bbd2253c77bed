import type { CommandSpec } from '../command.ts';
import type { Context } from '../context.ts';

export const lab: CommandSpec = {
  name: 'lab',
  summary: 'Run a whole cluster on this computer, and break it',
  usage: 'up|down|status|kill N...|revive N...|outage|restore [N...]',
  about: `up            start the store and the machines; Ctrl-C stops them unless --detach
down          stop everything; with --wipe also delete its units and data
status        the machines with their numbers, states and endpoints, and who leads
kill N...     machines lose power; with --daemon-only just their fleetd dies
revive N...   machines come back
outage        everything loses power at once
restore       the store and all machines come back, or only those named
N is a machine's number, or a prefix of its id.`,
  examples: [
    { line: 'fleetctl lab up --machines 3 --detach', about: 'Three machines in the background' },
    { line: 'fleetctl lab up --metadata region=eu --machine 3:region=us', about: 'Something to place units by' },
    { line: 'fleetctl lab kill 1', about: 'See its units move' },
    { line: 'fleetctl lab status -o json', about: 'For a program' },
  ],
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
  arguments: ['up', 'down', 'status', 'kill', 'revive', 'outage', 'restore'],
  raw: true,
  run,
};

async function run(context: Context): Promise<number> {
  // Another program: the build puts it into a file of its own beside fleetctl's, which no other command reads.
  const { runLab } = await import('../../lab/index.ts');
  return runLab(context.args, context.io);
}
