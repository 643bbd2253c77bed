import type { CommandSpec } from '../command.ts';
import { type Context, say, warn } from '../context.ts';
import { sayWithMachines } from '../machine-json.ts';
import { OUTPUT } from '../shared-flags.ts';
import { noSuchService } from './services.ts';

export const resolve: CommandSpec = {
  name: 'resolve',
  summary: 'Print where a service answers: ADDRESS:PORT lines',
  usage: 'NAME',
  about: 'Instances that are critical are left out, as DNS and the router leave them out.',
  examples: [{ line: 'curl http://$(fleetctl resolve web | head -1)/', about: 'Ask one of its instances' }],
  flags: [OUTPUT],
  arguments: 'services',
  run,
};

async function run(context: Context): Promise<number> {
  const [name, ...more] = context.args;
  if (name === undefined || more.length > 0) {
    warn(context, 'One service must be named.');
    return 2;
  }
  const client = await context.client();
  const service = await client.service(name);
  if (service === undefined) return noSuchService(context, name);
  const well = service.instances.filter(({ health }) => health !== 'critical');
  if (context.flags.text('output') === 'json') await sayWithMachines(context, client, well);
  else
    for (const { address, port } of well) say(context, `${address.includes(':') ? `[${address}]` : address}:${port}`);
  if (well.length > 0) return 0;
  warn(context, `No instance of ${name} is well: see fleetctl services ${name}`);
  return 1;
}
