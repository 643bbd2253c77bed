import type { CommandSpec } from '../command.ts';
import type { Context } from '../context.ts';

export const ssh: CommandSpec = {
  name: 'ssh',
  summary: 'Open a shell on a machine, or run a command there',
  usage: '[-A|--forward-agent] [--ssh-port PORT] [--machine M|--unit U] {M|U} [--] [COMMAND...]',
  about: `The machine is named by its name, its IP or the beginning of its id, or by a unit on it. The exit status is the command's; 255 when the
connection broke. Keys, agent, ~/.ssh/config and jump hosts are OpenSSH's, except that --known-hosts-file holds the
keys of machines. With --tunnel, the machine is reached by way of that host.`,
  examples: [
    { line: 'fleetctl ssh 85c0c595', about: 'A shell on the machine whose id begins so' },
    { line: 'fleetctl ssh hello.service', about: 'A shell on the machine that runs the unit' },
    { line: 'fleetctl ssh hello.service ps -ef', about: 'One command there' },
    { line: 'fleetctl ssh -A --machine 85c0 -- git pull', about: 'With the keys of the ssh agent here' },
    { line: 'fleetctl --tunnel 54.203.141.124 ssh 85c0', about: 'By way of a host that can be reached from here' },
  ],
  flags: [
    { name: 'forward-agent', short: 'A', kind: 'bool', about: 'Lend the keys of the ssh agent here to the machine' },
    { name: 'ssh-port', kind: 'count', value: 'PORT', default: '22', about: "Port of the machine's sshd" },
    {
      name: 'machine',
      kind: 'text',
      value: 'MACHINE',
      about: 'Name the machine: its name, IP or beginning of its id',
      offers: 'machines',
    },
    { name: 'unit', kind: 'text', value: 'UNIT', about: 'Name the machine by a unit on it' },
  ],
  arguments: 'machines-or-units',
  foreign: { after: 1, unless: ['machine', 'unit'] },
  run,
};

async function run(context: Context): Promise<number> {
  // Loaded on use: the modules for OpenSSH are needed by no other command.
  const { runSsh } = await import('../ssh/run-ssh.ts');
  return runSsh(context);
}

export const fdForward: CommandSpec = {
  name: 'fd-forward',
  summary: 'Join stdin and stdout to a unix socket',
  usage: 'SOCKET',
  about: 'What --tunnel runs on the host at the other end, to reach the socket of fleetd there.',
  examples: [{ line: 'fleetctl fd-forward /var/run/fleet.sock', about: 'Talk to fleetd through stdin and stdout' }],
  flags: [],
  arguments: 'none',
  hidden: true,
  run: async (context) => {
    const { forwardTo } = await import('../ssh/fd-forward.ts');
    return forwardTo(context);
  },
};
