import type { CommandSpec } from '../command.ts';
import type { Context } from '../context.ts';

export const lab: CommandSpec = {
  name: 'lab',
  summary: 'Run a whole cluster on this computer, and break it',
  usage: 'up|down|status|kill N|revive N|outage|restore',
  about: `up         start the store and the machines; Ctrl-C stops them
down       stop everything; what it holds stays for the next up (--wipe: throw it away)
status     the machines with their numbers, states and endpoints, and who leads
kill N     machine N loses power (--daemon-only: only its fleetd dies)
revive N   machine N comes back
outage     the store and all machines lose power at once
restore    they come back (restore N: only machine N)`,
  examples: [
    { line: 'fleetctl lab up --machines 3 --detach', about: 'Three machines in the background' },
    { line: 'fleetctl lab kill 1', about: 'See its units move' },
  ],
  flags: [
    { name: 'machines', kind: 'count', value: 'N', default: '3', about: 'How many machines' },
    { name: 'detach', kind: 'bool', about: 'Leave the cluster running and return' },
    { name: 'daemon-only', kind: 'bool', about: 'Kill fleetd alone; its units live on' },
    { name: 'wipe', kind: 'bool', about: "Delete the lab's units and data" },
    { name: 'agent-ttl', kind: 'text', value: 'TIME', default: '5s', about: 'How long a machine may be silent' },
    { name: 'output', short: 'o', kind: 'text', value: 'json', about: 'Print JSON' },
    { name: 'port', kind: 'count', value: 'PORT', about: "The machines' TCP port" },
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
