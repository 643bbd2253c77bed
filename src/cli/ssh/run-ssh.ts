import type { FleetClient } from '../../client/index.ts';
import { FlotillaError } from '../../lib/index.ts';
import { isTemplateName } from '../../model/index.ts';
import type { Context } from '../context.ts';
import { isUnitPattern, meansUnit } from '../unit-arguments.ts';
import { findMachine, type MachineWords } from './find-machine.ts';
import { SshConnection } from './ssh-connection.ts';
import { parseSshHost } from './ssh-host.ts';
import { sshSettings } from './ssh-settings.ts';
import { openTunnel } from './tunnel.ts';

/** `fleetctl ssh`: finds the machine, connects to it and runs the command; returns the command's exit status. */
export async function runSsh(context: Context): Promise<number> {
  const { flags, io } = context;
  const forwardAgent = flags.bool('forward-agent');
  if (forwardAgent && !io.env['SSH_AUTH_SOCK']) {
    throw new FlotillaError(
      'invalid',
      'there is no ssh agent to forward, for SSH_AUTH_SOCK is not set: start one with eval $(ssh-agent), and ssh-add your key',
    );
  }
  const { words, command } = takeApart(context);
  const client = await context.client();
  const address = await findMachine(client, await withOneUnit(client, words));
  const host = parseSshHost(address, flags.text('ssh-username'));
  const port = flags.has('ssh-port') ? { port: flags.count('ssh-port') } : {};
  const settings = { ...sshSettings(flags, io), forwardAgent };
  const tunnel = flags.text('tunnel') === '' ? undefined : await openTunnel(flags, io);
  const connection = await SshConnection.open({ ...host, ...port }, settings, tunnel);
  return connection.run(command);
}

/** Resolves a pattern to its unit if it matches exactly one, since a shell runs on one machine. */
async function withOneUnit(client: FleetClient, words: MachineWords): Promise<MachineWords> {
  const pattern = words.unit ?? words.either;
  if (pattern === undefined || !isUnitPattern(pattern)) return words;
  const found = (await client.summaries()).filter(({ name }) => !isTemplateName(name) && meansUnit(pattern, name));
  if (found.length === 1) return { unit: found[0]!.name };
  const names = found.map(({ name }) => name).join(', ');
  const matches = found.length === 0 ? 'no unit' : `${found.length} units, ${names}`;
  throw new FlotillaError('invalid', `ssh goes to one machine, and ${pattern} matches ${matches}: name one unit`);
}

/** Splits the arguments into the machine and the command to run there. */
function takeApart({ flags, args }: Context) {
  const [machine, unit] = [flags.text('machine'), flags.text('unit')];
  if (machine !== '' && unit !== '') {
    throw new FlotillaError('usage', '--machine and --unit both name a machine: give only one of them');
  }
  if (machine !== '') return { words: { machine }, command: args };
  if (unit !== '') return { words: { unit }, command: args };
  const [either, ...command] = args;
  if (either !== undefined && either !== '') return { words: { either }, command };
  throw new FlotillaError('usage', 'Name a machine, by the beginning of its id or by a unit on it.');
}
